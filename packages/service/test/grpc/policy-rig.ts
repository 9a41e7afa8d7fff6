/** A PolicyService on a real server, with the handlers a test cares about, and clients of it. */
import { expect } from 'vitest';
import { policyv1 } from '@sallyport/proto';
import { SallyportError } from '../../src/errors/index.ts';
import {
  grpcClient,
  implement,
  type GrpcClient,
  type GrpcServer,
  type Handlers,
} from '../../src/grpc/index.ts';
import type { Issued } from '../../src/identity/index.ts';
import { memoryLog } from '../../src/testing/index.ts';
import { startServer, type Authority } from './fixture.ts';

export type Policy = typeof policyv1.PolicyService;
const { PolicyService } = policyv1;

export const unused = async (): Promise<never> => {
  throw new Error('not part of this test');
};

function policyHandlers(overrides: Partial<Handlers<Policy>>): Handlers<Policy> {
  const none = Object.fromEntries(PolicyService.methods.map((method) => [method.localName, unused]));
  return { ...none, ...overrides } as Handlers<Policy>;
}

export interface Rig extends AsyncDisposable {
  readonly server: GrpcServer;
  readonly log: ReturnType<typeof memoryLog>;
  client(identity?: Issued, deadlineMs?: number): GrpcClient<Policy>;
}

export async function startRig(
  authority: Authority,
  handlers: Partial<Handlers<Policy>>,
  overrides: Omit<Parameters<typeof startServer>[1], 'services'> = {},
  implementOptions: Parameters<typeof implement<Policy>>[2] = {},
): Promise<Rig> {
  const gateway = await authority.service('gateway');
  const log = memoryLog();
  const server = await startServer(authority, {
    identity: await authority.service('policy-service'),
    log,
    ...overrides,
    services: [implement(PolicyService, policyHandlers(handlers), implementOptions)],
  });
  const clients: GrpcClient<Policy>[] = [];
  return {
    server,
    log,
    client(identity = gateway, deadlineMs = 3_000) {
      const client = grpcClient(PolicyService, {
        address: server.address,
        expectedServer: 'policy-service',
        identity,
        trust: authority.trust,
        deadlineMs,
      });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      await server.close(0);
    },
  };
}

export async function failure(call: Promise<unknown>): Promise<SallyportError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SallyportError);
  return error as SallyportError;
}
