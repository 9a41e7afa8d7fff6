/** Every method over mutual TLS. */
import { fromUtf8, utf8 } from '@sallyport/crypto';
import { parseVerifierKey, TileReader, verifyProof, type Checkpoint } from '@sallyport/audit-log';
import type { auditv1 } from '@sallyport/proto';
import type { AuditTrail } from '@sallyport/service/audit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  acknowledged,
  createWorld,
  eventually,
  ready,
  startAuditService,
  startProducer,
  type AuditClient,
  type Started,
  type World,
} from './fixture.ts';
import { callEvent, decisionEvent, outcomeEvent } from './support.ts';

let world: World;
let service: Started;
let producer: AuditTrail;
let client: AuditClient;

beforeAll(async () => {
  world = await createWorld();
  service = await startAuditService(world);
  await ready(service);
  producer = await startProducer(world, 'gateway');
  await producer.record(decisionEvent(1, 1, 3));
  await producer.record(outcomeEvent(2, 1, 2, 'failure'));
  await producer.record(callEvent(3, 'user:bob'));
  await acknowledged(producer);
  client = await service.client();
}, 60_000);

afterAll(async () => {
  await producer.dispose();
  await service[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const code = (reason: string) => expect.objectContaining({ reason }) as unknown;

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

const calls: Readonly<
  Record<keyof typeof auditv1.AuditService.method, (of: AuditClient) => Promise<unknown>>
> = {
  queryRecords: (of) => of.queryRecords({}),
  tailRecords: (of) => drain(of.tailRecords({}, { deadlineMs: 500 })),
  getCheckpoint: (of) => of.getCheckpoint({}),
  getProof: (of) => of.getProof({ leafIndex: 0n }),
  exportLeaves: (of) => drain(of.exportLeaves({})),
  getTile: (of) => of.getTile({ path: 'checkpoint' }),
};

describe.each(Object.entries(calls))('%s', (_method, call) => {
  test('is refused to a person without the right', async () => {
    await expect(call(await service.client('user/mallory'))).rejects.toEqual(code('denied'));
  });

  test.each(['gateway', 'key-service', 'audit-service'])('is refused to the service %s', async (name) => {
    await expect(call(await service.client(`svc/${name}`))).rejects.toEqual(code('caller_not_allowed'));
  });
});

test('a refusal and a read are in the log themselves, once each', async () => {
  const nobody = await service.client('user/nobody');
  await expect(nobody.queryRecords({})).rejects.toEqual(code('denied'));
  await client.getProof({ leafIndex: 1n });
  await eventually(async () => {
    const refused = await client.queryRecords({ principal: 'user:nobody' });
    const read = await client.queryRecords({ destination: 'audit:leaf.1' });
    return refused.records.length === 1 && read.records.length === 1;
  }, 'both are recorded');
  const { records } = await client.queryRecords({ principal: 'user:nobody' });
  expect(records[0]).toMatchObject({
    action: 'audit.read',
    decision: 'deny',
    outcome: 'refused',
    policyRevision: '7',
  });
});

describe('QueryRecords', () => {
  test('joins outcomes to decisions', async () => {
    const { records } = await client.queryRecords({ destination: 'echo', joinOutcomes: true });
    expect(records.map(({ seq, decision, outcome }) => [seq, decision, outcome])).toEqual([
      [1n, 'allow', 'failure'],
      [2n, 'allow', 'failure'],
      [3n, 'allow', ''],
    ]);
    expect(records[0]?.outcomeLeafIndex).toBeGreaterThan(records[0]?.leafIndex ?? 0n);
    expect(records[2]?.outcomeLeafIndex).toBeUndefined();
  });

  test('finds, page by page, decisions whose outcome is overdue', async () => {
    const query = { destination: 'echo', outcome: 'unknown', joinOutcomes: true, pageSize: 1 };
    const { records, nextPageToken } = await client.queryRecords(query); // of 2023, so long overdue
    expect(records.map(({ seq, decision, outcome }) => [seq, decision, outcome])).toEqual([
      [3n, 'allow', ''],
    ]);
    expect(nextPageToken).toBe('');
    expect((await client.queryRecords({ ...query, joinOutcomes: false })).records).toEqual([]);
  });

  test('gives the event when asked', async () => {
    const plain = await client.queryRecords({ principal: 'user:bob' });
    expect(plain.records.map(({ eventJson }) => eventJson)).toEqual(['']);
    const whole = await client.queryRecords({ principal: 'user:bob', includeEvent: true });
    expect(JSON.parse(whole.records[0]?.eventJson ?? '')).toEqual(callEvent(3, 'user:bob'));
  });

  test.each<[string, Parameters<AuditClient['queryRecords']>[0], string]>([
    ['a page of more than 1000', { pageSize: 1001 }, 'page_size'],
    ['a token that is none', { pageToken: 'x' }, 'page_token'],
    ['a principal without end', { principal: 'x'.repeat(256) }, 'principal'],
    ['a session id without end', { sessionId: new Uint8Array(33) }, 'session_id'],
    ['a time beyond all', { since: { seconds: 1n << 60n, nanos: 0 } }, 'since'],
  ])('refuses %s', async (_what, request, field) => {
    await expect(client.queryRecords(request)).rejects.toEqual(
      expect.objectContaining({ reason: 'invalid_argument', field }),
    );
  });

  test('refuses the token of another query', async () => {
    const { nextPageToken } = await client.queryRecords({ pageSize: 1 });
    await expect(client.queryRecords({ principal: 'user:bob', pageToken: nextPageToken })).rejects.toEqual(
      code('invalid_argument'),
    );
  });

  test('a hostile text is a text', async () => {
    const { records } = await client.queryRecords({
      principal: `'; drop table leaf; --`,
      destination: 'a\0b\\',
    });
    expect(records).toEqual([]);
  });

  test('pages show every record once, also those that come meanwhile', async () => {
    const seen: string[] = [];
    const more = async () => {
      await Promise.all(Array.from({ length: 10 }, (_, i) => producer.record(callEvent(1000 + i))));
      await acknowledged(producer);
    };
    await more();
    let pages = 0;
    let pageToken = '';
    do {
      const page = await client.queryRecords({ action: 'policy.read', pageSize: 7, pageToken });
      seen.push(...page.records.map(({ leafIndex, item }) => `${leafIndex}.${item}`));
      pageToken = page.nextPageToken;
      if (++pages <= 5) await more();
    } while (pageToken !== '');
    const { records } = await client.queryRecords({ action: 'policy.read', pageSize: 1000 });
    expect(seen).toEqual(records.map(({ leafIndex, item }) => `${leafIndex}.${item}`));
    expect(seen).toHaveLength(61);
  });

  test('large events make shorter pages, and lose none', async () => {
    const destination = 'd'.repeat(255);
    for (let i = 0; i < 3; i++)
      await producer.record(decisionEvent(50 + i, 5000 + i * 256, 256, destination));
    await acknowledged(producer);
    let [count, pages] = [0, 0];
    for (let pageToken = ''; ; pages++) {
      const page = await client.queryRecords({ destination, includeEvent: true, pageSize: 1000, pageToken });
      count += page.records.length;
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    expect(count).toBe(768);
    expect(pages).toBeGreaterThan(1);
  }, 60_000);
});

describe('TailRecords', () => {
  test('shows what is committed from now on, filtered, and ends with its reader', async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const tail = (async () => {
      for await (const { records } of client.tailRecords(
        { principal: 'user:carol' },
        { signal: stop.signal },
      )) {
        seen.push(...records.map(({ producerSeq }) => String(producerSeq)));
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const first = producer.spool.head + 1n;
    for (let i = 0; i < 5; i++) {
      await producer.record(callEvent(i, 'user:carol'));
      await producer.record(callEvent(i, 'user:dave'));
    }
    await eventually(() => seen.length === 5, 'all are shown');
    expect(seen).toEqual([0n, 2n, 4n, 6n, 8n].map((i) => String(first + i)));
    stop.abort();
    await expect(tail).rejects.toEqual(code('cancelled'));
  });

  test('does not feed on itself', async () => {
    const stop = new AbortController();
    let shown = 0;
    const tail = (async () => {
      for await (const { records } of client.tailRecords({}, { signal: stop.signal }))
        shown += records.length;
    })();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const settled = shown;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(shown).toBe(settled);
    stop.abort();
    await expect(tail).rejects.toEqual(code('cancelled'));
  });
});

describe('GetProof', () => {
  test('proves each leaf against the checkpoint that comes with it', async () => {
    const { verifierKey } = await client.getCheckpoint({});
    const key = parseVerifierKey(verifierKey);
    if (key === undefined) throw new Error('no key');
    for (const index of [0, 1, 2]) {
      const { entry, path, checkpoint } = await client.getProof({ leafIndex: BigInt(index) });
      const verified = verifyProof({ index, path, checkpoint: utf8(checkpoint) }, { entry }, [key]);
      expect(verified).toMatchObject({ ok: true, index });
    }
  });

  test.each([1n << 40n, (1n << 53n) - 1n])('leaf %d is not there', async (leafIndex) => {
    await expect(client.getProof({ leafIndex })).rejects.toEqual(code('not_found'));
  });

  test('a leaf index beyond all', async () => {
    await expect(client.getProof({ leafIndex: (1n << 64n) - 1n })).rejects.toEqual(code('invalid_argument'));
  });
});

describe('ExportLeaves', () => {
  async function indices(request: { from?: bigint; to?: bigint }): Promise<bigint[]> {
    const all: bigint[] = [];
    for await (const { leaves } of client.exportLeaves(request))
      all.push(...leaves.map(({ leafIndex }) => leafIndex));
    return all;
  }

  test('covers at least what the checkpoint does', async () => {
    const { checkpoint } = await client.getCheckpoint({});
    const size = BigInt(checkpoint.split('\n')[1] ?? '');
    const all = await indices({});
    expect(all).toEqual(Array.from({ length: all.length }, (_, i) => BigInt(i)));
    expect(all.length).toBeGreaterThanOrEqual(Number(size));
  });

  test('a part', async () => {
    expect(await indices({ from: 1n, to: 3n })).toEqual([1n, 2n]);
    expect(await indices({ from: 1n << 50n })).toEqual([]);
  });

  test.each([
    ['from', { from: 1n << 63n }],
    ['to', { from: 5n, to: 2n }],
  ])('refuses a bad "%s"', async (field, request) => {
    await expect(indices(request)).rejects.toEqual(
      expect.objectContaining({ reason: 'invalid_argument', field }),
    );
  });
});

describe('GetTile', () => {
  test('gives tiles that give the root of the checkpoint', async () => {
    const text = fromUtf8((await client.getTile({ path: 'checkpoint' })).tile) ?? '';
    const [origin = '', size, root] = text.split('\n');
    const checkpoint: Checkpoint = { origin, size: Number(size), root: Buffer.from(root ?? '', 'base64') };
    const reader = new TileReader(
      (path) =>
        client.getTile({ path }).then(
          ({ tile }) => tile,
          () => undefined,
        ),
      checkpoint.size,
    );
    expect(Buffer.from(await reader.root()).equals(checkpoint.root)).toBe(true);
  });

  test.each([
    '',
    '../secret',
    'tile/0/000/../../checkpoint',
    '/etc/passwd',
    'tile/0/0',
    'tile/64/000',
    'tile/0/000.p/0',
    'checkpoint\0',
    'x'.repeat(10_000),
  ])('refuses the path %j', async (path) => {
    await expect(client.getTile({ path })).rejects.toEqual(code('invalid_argument'));
  });

  test('a tile that is not there', async () => {
    await expect(client.getTile({ path: 'tile/7/123' })).rejects.toEqual(code('not_found'));
  });
});
