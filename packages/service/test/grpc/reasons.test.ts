import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { ErrorDetailSchema, Reason as WireReason, policyv1 } from '@sallyport/proto';
import {
  SallyportError,
  internalMessage,
  reasons,
  toGrpcStatus,
  type Reason,
} from '../../src/errors/index.ts';
import {
  grpcClient,
  implement,
  type GrpcClient,
  type GrpcServer,
  type Handlers,
} from '../../src/grpc/index.ts';
import type { Issued } from '../../src/identity/index.ts';
import { createAuthority, startServer, type Authority } from './fixture.ts';
import { stockClient, type StockClient } from './stock-client.ts';

type Policy = typeof policyv1.PolicyService;
let authority: Authority;
let server: GrpcServer;
let client: GrpcClient<Policy>;
let stock: StockClient;
let next: Reason = 'internal';

beforeAll(async () => {
  authority = await createAuthority();
  const gateway: Issued = await authority.service('gateway');
  const handlers = Object.fromEntries(
    policyv1.PolicyService.methods.map((method) => [
      method.localName,
      async () => {
        throw new SallyportError(next, `because of ${next}, é ☃ 50%`, {
          field: 'some.field',
          retryAfterMs: 321,
        });
      },
    ]),
  ) as unknown as Handlers<Policy>;
  server = await startServer(authority, { services: [implement(policyv1.PolicyService, handlers)] });
  client = grpcClient(policyv1.PolicyService, {
    address: server.address,
    expectedServer: 'key-service',
    identity: gateway,
    trust: authority.trust,
    deadlineMs: 3_000,
  });
  stock = stockClient(server.address, gateway, authority.trust.caPem);
});

afterAll(async () => {
  await client.close();
  stock.close();
  await server.close(0);
});

test('every reason of the proto has a name here, and the other way round', () => {
  const wire = Object.keys(WireReason).map((name) => name.toLowerCase());
  expect([...reasons].sort()).toEqual(wire.filter((name) => name !== 'unspecified').sort());
});

test.each(reasons)('%s arrives at our client as it was thrown', async (reason) => {
  next = reason;
  const error: unknown = await client.getBundle({}).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SallyportError);
  if (reason === 'internal') {
    expect(error).toMatchObject({ reason, message: internalMessage });
  } else {
    expect(error).toMatchObject({
      reason,
      message: `because of ${reason}, é ☃ 50%`,
      field: 'some.field',
      retryAfterMs: 321,
    });
  }
  expect((error as SallyportError).correlationId).toMatch(/^[0-9a-f]{32}$/);
});

test.each(reasons)('%s can be read by a stock client from status and detail', async (reason) => {
  next = reason;
  const error = await stock.unary('/sallyport.policy.v1.PolicyService/GetBundle', Buffer.alloc(0));
  expect(error.code).toBe(toGrpcStatus(reason));
  const [packed] = error.metadata.get('grpc-status-details-bin');
  const status = readFields(packed as Buffer);
  expect(status.get(1)).toBe(error.code);
  expect(Buffer.from(status.get(2) as Uint8Array).toString()).toBe(error.details);
  const any = readFields(status.get(3) as Uint8Array);
  expect(Buffer.from(any.get(1) as Uint8Array).toString()).toBe(
    'type.googleapis.com/sallyport.common.v1.ErrorDetail',
  );
  const detail = fromBinary(ErrorDetailSchema, any.get(2) as Uint8Array);
  expect(WireReason[reason.toUpperCase() as keyof typeof WireReason]).toBe(detail.reason);
});

/** An independent reading of the wire: field number to value. */
function readFields(bytes: Uint8Array): Map<number, number | Uint8Array> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, number | Uint8Array>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    fields.set(field, type === 0 ? reader.int32() : reader.bytes());
  }
  return fields;
}
