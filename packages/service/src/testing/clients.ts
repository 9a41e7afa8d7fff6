import type { DescService } from '@bufbuild/protobuf';
import { grpcClient, type GrpcClient } from '../grpc/index.ts';
import type { ServiceName } from '../identity/index.ts';
import type { TestAuthority } from './authority.ts';

export interface TestClients<S extends DescService> extends AsyncDisposable {
  /** A client that proves to be `svc/gateway`, `user/admin`, …; the same one at every call. */
  as(path: string): Promise<GrpcClient<S>>;
}

/** Clients of a service that listens on `port` of this machine. */
export function testClients<S extends DescService>(
  service: S,
  options: {
    readonly authority: TestAuthority;
    readonly expectedServer: ServiceName;
    readonly port: number;
  },
): TestClients<S> {
  const { authority, expectedServer, port } = options;
  const clients = new Map<string, Promise<GrpcClient<S>>>();
  const connect = async (path: string) =>
    grpcClient(service, {
      address: `127.0.0.1:${port}`,
      expectedServer,
      identity: await authority.identity(path),
      trust: authority.trust,
      deadlineMs: 10_000,
    });
  return {
    as: (path) => {
      const client = clients.get(path) ?? connect(path);
      clients.set(path, client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients.values()) await (await client).close();
    },
  };
}
