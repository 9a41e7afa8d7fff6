/**
 * Issue "Bad input", over a real carrier: each row is refused as docs/protocol.md sections 8 and 9 say, counted, recorded
 * with its cause, and neither its own session nor another one on the same connection is harmed.
 */
import { controlMessage, FRAME_TYPE, parseAlert, parseFrame } from '@sallyport/channel';
import { ED25519, toHex, utf8 } from '@sallyport/crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawCarrier } from '../support/raw-client.ts';
import { createWorld, request, until, type RawSession, type World } from '../support/world.ts';

let world: World;
let skewMs = 0;
beforeAll(async () => {
  world = await createWorld({
    clock: { now: () => Date.now() + skewMs, monotonic: () => performance.now() },
  });
});
afterAll(() => world[Symbol.asyncDispose]());

type Scene = { readonly carrier: RawCarrier; readonly session: RawSession; readonly other: RawSession };

type Row = {
  readonly name: string;
  readonly cause: string;
  /** Default `invalid_message`. */
  readonly alert?: 'invalid_message' | 'unknown_session';
  /** Bytes to send. */
  readonly frame: (scene: Scene) => Uint8Array | Promise<Uint8Array>;
};

/** Header offsets of docs/protocol.md section 7.1, from the first byte of the frame, for `echo` and `text/plain`. */
const HEADER = 32;
const SEALED = HEADER + 127;
const PAYLOAD = 'a message';
const REGIONS: readonly (readonly [
  region: string,
  offset: number,
  cause: string,
  alert?: NonNullable<Row['alert']>,
])[] = [
  ['version', 0, 'unknown_version'],
  ['type', 1, 'unknown_type'],
  ['session id', 17, 'unknown_session', 'unknown_session'],
  ['first sequence, to zero', 25, 'bad_field'],
  ['first sequence', 24, 'sequence_mismatch'],
  ['count', 27, 'bad_count'],
  ['header length', HEADER - 1, 'oversized'],
  ['header version', HEADER, 'unknown_version'],
  ['flags', HEADER + 1, 'bad_field'],
  ['header session id', HEADER + 17, 'wrong_session'],
  ['epoch', HEADER + 21, 'wrong_epoch'],
  ['direction', HEADER + 22, 'wrong_direction'],
  ['sequence', HEADER + 30, 'sequence_mismatch'],
  ['time sent, a little', HEADER + 38, 'decryption_failed'],
  // Bit 40, which is set from 2004 to 2039: a lower one makes it the future at some hours of the day.
  ['time sent, a lot', HEADER + 33, 'stale_time'],
  ['nonce, the part that is the IV', HEADER + 40, 'decryption_failed'],
  ['nonce, the rest', HEADER + 54, 'decryption_failed'],
  ['kind', HEADER + 55, 'bad_field'],
  ['correlation', HEADER + 71, 'decryption_failed'],
  ['destination length', HEADER + 72, 'bad_field'],
  ['destination', HEADER + 76, 'decryption_failed'],
  ['content type', HEADER + 87, 'decryption_failed'],
  ['trace length', HEADER + 88, 'bad_field'],
  ['extensions length', HEADER + 90, 'truncated'],
  ['length', HEADER + 94, 'bad_field'],
  ['content tag', HEADER + 126, 'decryption_failed'],
  ['sealed length', SEALED + 3, 'bad_field'],
  ['ciphertext', SEALED + 4, 'decryption_failed'],
  ['AEAD tag', SEALED + 4 + PAYLOAD.length + 15, 'decryption_failed'],
  ['signature length', SEALED + 4 + PAYLOAD.length + 19, 'truncated'],
  ['signature', SEALED + 4 + PAYLOAD.length + 20, 'bad_signature'],
  ['end of the signature', SEALED + 4 + PAYLOAD.length + 20 + 63, 'bad_signature'],
];

const good = ({ session }: Scene): Uint8Array => session.seal(request('echo', PAYLOAD));

const ROWS: readonly Row[] = [
  { name: 'cut by one byte', cause: 'truncated', frame: (scene) => good(scene).slice(0, -1) },
  { name: 'cut to nothing', cause: 'truncated', frame: () => new Uint8Array(0) },
  { name: 'of 17 bytes', cause: 'truncated', frame: (scene) => good(scene).slice(0, 17) },
  {
    name: 'one byte above 1 MiB',
    cause: 'oversized',
    frame: (scene) => padded(good(scene), 1024 * 1024 + 1),
  },
  { name: 'of almost 2 MiB', cause: 'oversized', frame: (scene) => padded(good(scene), 2_000_000) },
  { name: 'with a trailing byte', cause: 'trailing_bytes', frame: (scene) => padded(good(scene), 1, true) },
  { name: 'of version 2', cause: 'unknown_version', frame: (scene) => patched(good(scene), 0, 2) },
  { name: 'of a type that is none', cause: 'unknown_type', frame: (scene) => patched(good(scene), 1, 0x08) },
  {
    name: 'that would resume, where sessions end with their connection',
    cause: 'no_session_record',
    alert: 'unknown_session',
    frame: (scene) => patched(good(scene), 1, 0x05),
  },
  {
    name: 'of a type only gateways send',
    cause: 'unexpected_type',
    frame: (scene) => patched(good(scene).slice(0, 100), 1, 0x04),
  },
  {
    name: 'signed by another key',
    cause: 'bad_signature',
    frame: (scene) => {
      const frame = good(scene).slice();
      frame.set(ED25519.sign(ED25519.generate().privateKey, frame.subarray(0, -64)), frame.length - 64);
      return frame;
    },
  },
  {
    name: 'of another session, under this one',
    cause: 'wrong_session',
    frame: ({ session, other }) => {
      const frame = other.seal(request('echo', PAYLOAD)).slice();
      frame.set(session.channel.sid, 2);
      return frame;
    },
  },
  {
    name: 'of a session on another connection',
    cause: 'unknown_session',
    alert: 'unknown_session',
    frame: async () => {
      const carrier = await world.carrier();
      const elsewhere = await world.session(carrier);
      return elsewhere.seal(request('echo', PAYLOAD));
    },
  },
  {
    name: 'of the gateway, sent back',
    cause: 'wrong_direction',
    frame: async (scene) => {
      scene.carrier.send(good(scene));
      const answer = await scene.carrier.next(FRAME_TYPE.messages);
      scene.session.channel.openFrame(answer);
      return answer;
    },
  },
  ...REGIONS.map(([region, offset, cause, alert]) => ({
    name: `with a bit flipped in: ${region}`,
    cause,
    ...(alert === undefined ? {} : { alert }),
    frame: (scene: Scene) => {
      const frame = good(scene);
      return patched(frame, offset, (frame[offset] ?? 0) ^ 1);
    },
  })),
];

function padded(frame: Uint8Array, length: number, isMore = false): Uint8Array {
  const out = new Uint8Array(isMore ? frame.length + length : length);
  out.set(frame);
  return out;
}

function patched(frame: Uint8Array, offset: number, value: number): Uint8Array {
  const out = frame.slice();
  out[offset] = value;
  return out;
}

async function stage(): Promise<Scene & AsyncDisposable> {
  const carrier = await world.carrier();
  const session = await world.session(carrier, 'alice');
  const other = await world.session(carrier, 'bob');
  return { carrier, session, other, [Symbol.asyncDispose]: () => carrier[Symbol.asyncDispose]() };
}

/** How many frames the audit log says were refused for this cause. */
function recorded(cause: string): number {
  let sum = 0;
  for (const { data } of world.events()) {
    const { unmapped, count = 0 } = data as { unmapped?: { kind?: string; cause?: string }; count?: number };
    if (unmapped?.kind === 'frames_rejected' && unmapped.cause === cause) sum += count;
  }
  return sum;
}

describe('a frame refused before its sender is known', () => {
  test.each(ROWS)('$name: $cause', async ({ cause, alert = 'invalid_message', frame }) => {
    await using scene = await stage();
    const { carrier, session, other } = scene;
    const bytes = await frame(scene);
    const counted = await world.metric('frames_rejected_total', { cause });
    const written = recorded(cause);
    carrier.send(bytes);
    const answer = parseFrame(await carrier.next(FRAME_TYPE.alert));
    expect(answer.ok && parseAlert(answer.body)).toMatchObject({ ok: true, code: alert });
    expect(await world.metric('frames_rejected_total', { cause })).toBe(counted + 1);
    await other.ping();
    await session.ping();
    await until(() => recorded(cause) === written + 1);
    // Nothing in the record claims to know who it was.
    const last = world.events().findLast(({ data }) => JSON.stringify(data).includes('frames_rejected'));
    expect(JSON.stringify(last)).not.toMatch(/alice|bob/u);
  });
});

describe('a frame of a known sender whose messages are not taken', () => {
  const rows = (session: RawSession) => world.records().filter(({ sessionId }) => sessionId === session.id);

  test('stale by its time: refused whole, and the session goes on', async () => {
    await using scene = await stage();
    const bytes = good(scene);
    skewMs = 31_000;
    scene.carrier.send(bytes);
    await scene.carrier.next(FRAME_TYPE.alert);
    skewMs = 0;
    await scene.other.ping();
    await scene.session.ping();
  });

  test('replayed: answered, sealed, as duplicate; recorded for its sender; carried out once', async () => {
    await using scene = await stage();
    const { carrier, session, other } = scene;
    const counted = await world.metric('frames_rejected_total', { cause: 'replayed' });
    const message = request('echo', PAYLOAD);
    const bytes = session.seal(message);
    carrier.send(bytes);
    expect((await session.answers())[0]).toMatchObject({ kind: 'response', text: PAYLOAD });
    carrier.send(bytes);
    expect((await session.answers())[0]).toMatchObject({ kind: 'refusal', text: 'duplicate' });
    expect(await world.metric('frames_rejected_total', { cause: 'replayed' })).toBe(counted + 1);
    await until(() => rows(session).some(({ reason }) => reason === 'duplicate'));
    const row = rows(session).find(({ reason }) => reason === 'duplicate');
    expect(row).toMatchObject({ decision: 'deny', principal: 'user:alice', seq: 1n });
    expect(rows(session).filter(({ phase, seq }) => phase === 'outcome' && seq === 1n)).toHaveLength(1);
    await other.ping();
    await session.ping();
  });

  test('20 replays in a row do not cut the connection: they are no bad frames', async () => {
    await using scene = await stage();
    const bytes = good(scene);
    for (let sent = 0; sent < 21; sent += 1) scene.carrier.send(bytes);
    await scene.other.ping();
    await scene.session.ping();
  });

  const acknowledgements = (count: number) =>
    Array.from({ length: count }, () =>
      controlMessage({ kind: 'ack', receivedThrough: 0, lost: 0, gatewayTimeMs: 0, missing: [] }),
    );

  test('too far ahead of the window', async () => {
    await using scene = await stage();
    const { carrier, session, other } = scene;
    await session.ping();
    for (let block = 0; block < 5; block += 1) session.seal(...acknowledgements(256));
    carrier.send(session.seal(request('echo', PAYLOAD)));
    expect((await session.answers())[0]).toMatchObject({ kind: 'refusal', text: 'too_far_ahead' });
    await until(() => rows(session).some(({ reason }) => reason === 'too_far_ahead'));
    await other.ping();
  });

  test('behind the window', async () => {
    await using scene = await stage();
    const { carrier, session, other } = scene;
    const old = session.seal(request('echo', PAYLOAD));
    for (let block = 0; block < 5; block += 1) carrier.send(session.seal(...acknowledgements(256)));
    await session.ping();
    carrier.send(old);
    expect((await session.answers())[0]).toMatchObject({ kind: 'refusal', text: 'stale' });
    await until(() => rows(session).some(({ reason }) => reason === 'stale'));
    await other.ping();
    await session.ping();
  });

  test('a correlation used for other content', async () => {
    await using scene = await stage();
    const { carrier, session } = scene;
    const message = request('echo', PAYLOAD);
    carrier.send(session.seal(message));
    await session.answers();
    carrier.send(session.seal({ ...message, payload: utf8('another') }));
    expect((await session.answers())[0]).toEqual({
      kind: 'refusal',
      text: 'correlation_reuse',
      correlation: toHex(message.correlation),
    });
    await until(() => rows(session).some(({ reason }) => reason === 'correlation_reuse'));
  });

  test('a kind that only gateways send, and control that is none', async () => {
    await using scene = await stage();
    const { carrier, session } = scene;
    carrier.send(session.seal({ ...request('', 'x'), kind: 'response' }));
    carrier.send(
      session.seal({
        ...controlMessage({ kind: 'close', code: 'busy', retryAfterMs: 0, detail: '' }),
        payload: utf8('\x03'),
      }),
    );
    await until(() => rows(session).filter(({ decision }) => decision === 'deny').length === 2);
    expect(
      rows(session)
        .filter(({ decision }) => decision === 'deny')
        .map(({ reason }) => reason),
    ).toEqual(['unexpected_kind', 'bad_control']);
    await session.ping();
  });
});

describe('a peer that sends rubbish', () => {
  const rubbish = (): Uint8Array => utf8('GET / HTTP/1.1\r\n\r\n and more of it');

  test('is cut off at 16 bad frames, whatever comes between them; its sessions are told to the services, others go on', async () => {
    await using bystander = await world.carrier();
    const safe = await world.session(bystander, 'bob');
    await using scene = await stage();
    for (let sent = 0; sent < 8; sent += 1) scene.carrier.send(rubbish());
    await scene.session.ping();
    for (let sent = 0; sent < 7; sent += 1) scene.carrier.send(rubbish());
    await scene.other.ping();
    expect(scene.carrier.isEnded).toBe(false);
    scene.carrier.send(rubbish());
    await scene.carrier.ended;
    await until(() => world.services.calls.includes(`close ${scene.session.id} carrier_closed`));
    await until(() => world.services.calls.includes(`destroy ${scene.other.id}`));
    await safe.ping();
  });

  test('as its first frame is answered with an alert', async () => {
    await using carrier = await world.carrier();
    carrier.send(rubbish());
    const answer = parseFrame(await carrier.next(FRAME_TYPE.alert));
    expect(answer.ok && parseAlert(answer.body)).toMatchObject({ code: 'invalid_message' });
    await (await world.session(carrier)).ping();
  });

  test('in place of a gRPC message ends its stream', async () => {
    await using carrier = await world.carrier();
    carrier.sendMessage(utf8('\xff\xff\xff'));
    await carrier.ended;
  });

  test('an alert is never answered', async () => {
    await using scene = await stage();
    const alert = new Uint8Array(24);
    alert[0] = 1;
    alert[1] = FRAME_TYPE.alert;
    for (let sent = 0; sent < 20; sent += 1) scene.carrier.send(alert);
    await scene.session.ping();
    expect(scene.carrier.frames).toEqual([]);
  });
});
