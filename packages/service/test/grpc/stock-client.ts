/** A client as anybody would write it with grpc-js alone: what our servers must get along with. */
import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import type { Issued } from '../../src/identity/index.ts';

const same = (bytes: Buffer): Buffer => bytes;

export interface StockClient {
  readonly client: Client;
  /** The error of a call that must fail. No deadline is sent. */
  unary(path: string, body: Buffer): Promise<ServiceError>;
  close(): void;
}

export function stockClient(address: string, identity: Issued | undefined, caPem: string): StockClient {
  const client = new Client(
    address,
    credentials.createSsl(
      Buffer.from(caPem),
      identity === undefined ? null : Buffer.from(identity.keyPem),
      identity === undefined ? null : Buffer.from(identity.certPem),
      { checkServerIdentity: () => undefined },
    ),
    { 'grpc.ssl_target_name_override': 'localhost', 'grpc.enable_retries': 0 },
  );
  return {
    client,
    unary: (path, body) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest<Buffer, Buffer>(path, same, same, body, new Metadata(), {}, (error) => {
          if (error === null) reject(new Error(`${path} was answered`));
          else resolve(error);
        });
      }),
    close: () => client.close(),
  };
}
