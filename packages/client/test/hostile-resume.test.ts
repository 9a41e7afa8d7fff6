/** Gateways that lie while a session is resumed, and wires that repeat what they carried. */
import { controlMessage, encodeAlert, FRAME_TYPE } from '@sallyport/channel';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Channel } from '../src/index.ts';
import { makeWorld, type World } from './support/certificates.ts';
import { Cluster } from './support/cluster.ts';
import { body, failureOf, flipBit, identityOf, text } from './support/gateway.ts';
import { eventually, sidOf, tick, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
watchRejections();

/** The addresses that the client sent a first frame to, after the one where it opened its session. */
const firstFrames = (cluster: Cluster): string[] =>
  cluster.written
    .slice(cluster.written.findIndex(({ type }) => type === FRAME_TYPE.resumeHello))
    .filter(({ type }) => type === FRAME_TYPE.messages)
    .map(({ address }) => address);

describe('an answer that does not verify: the session goes on elsewhere, and nothing was said', () => {
  test.each([
    ['a bit of it is flipped', (frame: Uint8Array) => [flipBit(frame, frame.length * 4)]],
    ['its epoch is another', (frame: Uint8Array) => [withNextEpoch(frame)]],
    ['it is cut', (frame: Uint8Array) => [frame.subarray(0, 40)]],
    ['it is no answer', () => [new Uint8Array(40).fill(0x7e)]],
    ['it is of another session', (frame: Uint8Array) => [flipBit(frame, 2 * 8)]],
    ['it is an alert of no session', () => [encodeAlert(undefined, 'invalid_message')]],
    ['it is a flood', (frame: Uint8Array) => Array.from({ length: 40 }, () => flipBit(frame, 900))],
  ])('%s', async (_name, change) => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.at('b').changeAnswer = change;
    cluster.wire.lose();
    await works(channel);
    expect(firstFrames(cluster).every((address) => address === 'a')).toBe(true);
    await channel.close();
  });

  test('another certificate authority vouches for it', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    const stranger = await makeWorld();
    cluster.at('b').identity = identityOf(stranger);
    cluster.wire.lose();
    await works(channel);
    expect(firstFrames(cluster)).not.toContain('b');
    await channel.close();
  });

  test('its delegation ran out', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.at('b').identity = identityOf(world, Date.now() - 1);
    cluster.wire.lose();
    await works(channel);
    expect(firstFrames(cluster)).not.toContain('b');
    await channel.close();
  });

  test('it is the one of before, repeated', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    let recorded: Uint8Array | undefined;
    cluster.at('b').changeAnswer = (frame) => {
      recorded ??= frame.slice();
      return [recorded];
    };
    cluster.wire.lose();
    await works(channel);
    cluster.wire.lose();
    await works(channel);
    cluster.wire.lose();
    await works(channel);
    expect(channel.counts).toMatchObject({ resumes: 3 });
    await channel.close();
  });
});

describe('frames of an epoch that was left', () => {
  test('are refused after the resume, whatever they say', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    const old = cluster.wire;
    const close = controlMessage({ kind: 'close', code: 'revoked', retryAfterMs: 0, detail: '' });
    await works(channel);
    // Sealed in the first epoch, and kept back.
    cluster.at('a').swallows = () => true;
    const recorded = old.say(channel, close);
    old.lose();
    await works(channel);
    const { rejected } = channel.counts;
    cluster.wire.send(recorded);
    expect(channel).toMatchObject({ state: 'open', counts: { rejected: rejected + 1 } });
    await works(channel);
    await channel.close();
  });

  test('come in vain while it is being resumed on the same connection', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    const { wire } = cluster;
    cluster.at('a').swallows = () => true;
    const recorded = wire.say(
      channel,
      controlMessage({ kind: 'close', code: 'revoked', retryAfterMs: 0, detail: '' }),
    );
    cluster.at('a').swallows = () => false;
    wire.close(channel, 'epoch_required');
    wire.send(recorded);
    await works(channel);
    expect(channel.state).toBe('open');
    await channel.close();
  });
});

test('a frame that comes late from the connection that was lost is not even looked at', async () => {
  const cluster = new Cluster(world);
  const channel = await cluster.connect();
  const late = cluster.wire.say(
    channel,
    controlMessage({ kind: 'close', code: 'revoked', retryAfterMs: 0, detail: '' }),
  );
  expect(channel.state).toBe('closed');
  const other = await cluster.connect();
  cluster.at('a').isDown = cluster.at('b').isDown = true;
  cluster.wire.lose();
  other.onFrame(late);
  expect(other).toMatchObject({ state: 'resuming', counts: { rejected: 0 } });
  await other.close();
});

describe('once it was resumed', () => {
  async function resumed(cluster: Cluster): Promise<Channel> {
    const channel = await cluster.connect();
    cluster.wire.lose();
    await works(channel);
    return channel;
  }

  test('an alert ends nothing', async () => {
    const cluster = new Cluster(world);
    const channel = await resumed(cluster);
    cluster.wire.send(encodeAlert(sidOf(channel.sessionId), 'unknown_session'));
    await works(channel);
    await channel.close();
  });

  test('16 frames in a row that do not verify end it for good', async () => {
    const cluster = new Cluster(world);
    const channel = await resumed(cluster);
    const frame = cluster.wire.say(
      channel,
      controlMessage({ kind: 'ack', receivedThrough: 0, lost: 0, gatewayTimeMs: Date.now(), missing: [] }),
    );
    for (let at = 0; at < 16; at += 1) cluster.wire.send(frame);
    expect(channel.closedBy).toMatchObject({ kind: 'connection', code: 'connection_lost' });
    await tick(20);
    expect(cluster.carriers.length).toBe(2);
  });

  test('an answer to what is not asked any more changes nothing', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.fateOf = () => ({ kind: 'kept' });
    const failed = failureOf(channel.request('echo', body('x'), { timeoutMs: 300 }));
    await failed;
    cluster.wire.lose();
    await eventually(() => expect(channel.state).toBe('open'));
    const [first] = cluster.requests;
    cluster.wire.say(channel, {
      kind: 'response',
      correlation: first?.correlation ?? new Uint8Array(16),
      destination: '',
      contentType: '',
      trace: '',
      payload: body('late'),
    });
    cluster.fateOf = () => ({ kind: 'answered' });
    await works(channel);
    await channel.close();
  });

  test('an answer that comes before it is asked for again is taken, once', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.fateOf = () => ({ kind: 'running' });
    const response = channel.request('echo', body('x'));
    await eventually(() => expect(cluster.requests.length).toBe(1));
    cluster.wire.lose();
    await eventually(() => expect(cluster.requests.length).toBe(2));
    const [first] = cluster.requests;
    const answer = {
      kind: 'response' as const,
      correlation: first?.correlation ?? new Uint8Array(16),
      destination: '',
      contentType: '',
      trace: '',
      payload: body('pushed'),
    };
    cluster.wire.say(channel, answer);
    cluster.wire.say(channel, answer);
    expect(text((await response).body)).toBe('pushed');
    cluster.finish();
    await tick(250);
    expect(cluster.requests.length).toBeLessThanOrEqual(3);
    await channel.close();
  });
});

test('a gateway that takes it on and ends it at once does not keep us busy for ever', async () => {
  const cluster = new Cluster(world);
  const channel = await cluster.connect({ resume: { maxMs: 600, firstPauseMs: 100, maxPauseMs: 100 } });
  const timer = setInterval(() => {
    if (channel.state === 'open') cluster.wire.close(channel, 'epoch_required');
  }, 1);
  await eventually(() => expect(channel.state).toBe('closed'));
  clearInterval(timer);
  expect(channel.closedBy).toMatchObject({ kind: 'closed', code: 'epoch_required' });
  expect(channel.counts.resumes).toBeLessThan(40);
});

/** The epoch stands behind share, binding, nonce and time in the clear part. */
function withNextEpoch(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  const shareLength = ((frame[18] ?? 0) << 8) | (frame[19] ?? 0);
  const epochEnd = 18 + 2 + shareLength + 1 + 32 + 8 + 3;
  copy[epochEnd] = (copy[epochEnd] ?? 0) + 1;
  return copy;
}
