import { beforeAll, describe, expect, test } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { auditv1, healthv1 } from '@sallyport/proto';
import { SallyportError } from '../../src/errors/index.ts';
import { grpcClient, implement, type GrpcServer, type Handlers } from '../../src/grpc/index.ts';
import type { Issued } from '../../src/identity/index.ts';
import { createAuthority, startServer, until, type Authority } from './fixture.ts';
import { stockClient } from './stock-client.ts';

const { AuditService } = auditv1;

let authority: Authority;
let alice: Issued;
beforeAll(async () => {
  authority = await createAuthority();
  alice = await authority.principal('user:alice');
});

describe('a server stream', () => {
  function handlers(tail: Handlers<typeof AuditService>['tailRecords']): Handlers<typeof AuditService> {
    const none = Object.fromEntries(
      AuditService.methods.map((method) => [method.localName, async () => ({})]),
    );
    return { ...none, tailRecords: tail } as Handlers<typeof AuditService>;
  }
  const auditClient = (server: GrpcServer) =>
    grpcClient(AuditService, {
      address: server.address,
      expectedServer: 'key-service',
      identity: alice,
      trust: authority.trust,
      deadlineMs: 3_000,
    });

  test('comes in order and ends', async () => {
    await using server = await startServer(authority, {
      services: [
        implement(
          AuditService,
          handlers(async function* () {
            for (let index = 0n; index < 100n; index += 1n) yield { records: [{ leafIndex: index }] };
          }),
        ),
      ],
    });
    await using client = auditClient(server);
    const indexes: bigint[] = [];
    for await (const { records } of client.tailRecords({})) indexes.push(records[0]?.leafIndex ?? -1n);
    expect(indexes).toEqual(Array.from({ length: 100 }, (_unused, index) => BigInt(index)));
  });

  test('waits for a slow reader instead of filling memory', async () => {
    let made = 0;
    const body = 'x'.repeat(200_000);
    await using server = await startServer(authority, {
      services: [
        implement(
          AuditService,
          handlers(async function* () {
            for (; made < 500; made += 1) yield { records: [{ eventJson: body }] };
          }),
        ),
      ],
    });
    await using client = auditClient(server);
    let read = 0;
    for await (const reply of client.tailRecords({})) {
      expect(reply.records).toHaveLength(1);
      read += 1;
      await delay(5);
      // Windows of HTTP/2 and buffers of both sides hold some; never all of it.
      expect(made - read).toBeLessThan(120);
      if (read === 40) break;
    }
    expect(read).toBe(40);
  });

  test('stops its generator when the reader leaves', async () => {
    let cleanedUp = false;
    await using server = await startServer(authority, {
      services: [
        implement(
          AuditService,
          handlers(async function* (_request, { signal }) {
            try {
              while (!signal.aborted) {
                yield { records: [] };
                await delay(5);
              }
            } finally {
              cleanedUp = true;
            }
          }),
        ),
      ],
    });
    await using client = auditClient(server);
    for await (const reply of client.tailRecords({})) {
      expect(reply.records).toEqual([]);
      break;
    }
    await until(() => cleanedUp);
  });

  test('stops a generator that only waits for its reader', async () => {
    let cleanedUp = false;
    const eventJson = 'x'.repeat(300_000);
    await using server = await startServer(authority, {
      services: [
        implement(
          AuditService,
          handlers(async function* () {
            try {
              for (;;) yield { records: [{ eventJson }] };
            } finally {
              cleanedUp = true;
            }
          }),
        ),
      ],
    });
    await using client = auditClient(server);
    for await (const reply of client.tailRecords({})) {
      expect(reply.records).toHaveLength(1);
      await delay(200);
      expect(cleanedUp).toBe(false);
      break;
    }
    await until(() => cleanedUp);
  });

  test('ends at its longest duration, whatever the client asked for', async () => {
    await using server = await startServer(authority, {
      limits: { maxStreamMs: 100 },
      services: [
        implement(
          AuditService,
          handlers(async function* () {
            yield { records: [] };
            await new Promise(() => {});
          }),
        ),
      ],
    });
    await using client = auditClient(server);
    let replies = 0;
    const error = await (async () => {
      for await (const reply of client.tailRecords({})) replies += reply.records.length + 1;
    })().catch((thrown: unknown) => thrown);
    expect(replies).toBe(1);
    expect(error).toMatchObject({ reason: 'deadline_exceeded' });
  });

  test('that fails half way has the reason, after what came before', async () => {
    await using server = await startServer(authority, {
      services: [
        implement(
          AuditService,
          handlers(async function* () {
            yield { records: [] };
            throw new SallyportError('log_inconsistent', 'leaf 3 does not fit');
          }),
        ),
      ],
    });
    await using client = auditClient(server);
    let replies = 0;
    const error = await (async () => {
      for await (const reply of client.tailRecords({})) replies += reply.records.length + 1;
    })().catch((thrown: unknown) => thrown);
    expect(replies).toBe(1);
    expect(error).toMatchObject({ reason: 'log_inconsistent', message: 'leaf 3 does not fit' });
  });
});

describe('health', () => {
  const start = () =>
    startServer(authority, {
      services: [
        implement(
          AuditService,
          Object.fromEntries(AuditService.methods.map((m) => [m.localName, async () => ({})])) as never,
        ),
      ],
    });
  const healthClient = (server: GrpcServer) =>
    grpcClient(healthv1.Health, {
      address: server.address,
      expectedServer: 'key-service',
      identity: alice,
      trust: authority.trust,
      deadlineMs: 3_000,
    });

  test('answers for the server and for each of its services', async () => {
    await using server = await start();
    await using client = healthClient(server);
    expect((await client.check({})).status).toBe(1);
    expect((await client.check({ service: 'sallyport.audit.v1.AuditService' })).status).toBe(1);
    server.setServing(false);
    expect((await client.check({})).status).toBe(2);
    await expect(client.check({ service: 'nope' })).rejects.toMatchObject({ reason: 'not_found' });
  });

  test('tells a watcher of each change', async () => {
    await using server = await start();
    await using client = healthClient(server);
    const seen: number[] = [];
    for await (const { status } of client.watch({})) {
      seen.push(status);
      if (seen.length === 3) break;
      server.setServing(status !== 1);
    }
    expect(seen).toEqual([1, 2, 1]);
  });

  test('is not for those without a certificate', async () => {
    await using server = await start();
    const stranger = stockClient(server.address, undefined, authority.trust.caPem);
    const error = await stranger.unary('/grpc.health.v1.Health/Check', Buffer.alloc(0));
    stranger.close();
    expect(error.code).toBe(14);
  });
});
