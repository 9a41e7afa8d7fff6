/**
 * The TLS exporter of a gRPC connection (RFC 8446 section 7.5), for channel binding.
 *
 * @grpc/grpc-js has no public way to the socket, so this one module reaches into 1.14: `_createSecureConnector` of the
 * credentials gives a connector whose `connect` resolves with the TLS socket. The path is probed, not assumed: where it
 * is missing, or it is not certain which socket carries the calls, there is no exporter, and the handshake offers none.
 * `tls-exporter.test.ts` compares both ends of a real connection, and so fails with a version that moved the path.
 */
import { TLSSocket } from 'node:tls';
import { EXPORTER_LABEL, EXPORTER_LENGTH } from '@sallyport/channel';
import type { ChannelCredentials } from '@grpc/grpc-js';

type Connector = { connect: (...args: readonly unknown[]) => Promise<unknown> };

/** Watches what `credentials` connects, from now on. Ask the result once the connection is ready. */
export function watchTlsExporter(credentials: ChannelCredentials): () => Uint8Array | undefined {
  const sockets = new Set<TLSSocket>();
  const create: unknown = Reflect.get(credentials, '_createSecureConnector');
  if (typeof create === 'function') {
    Reflect.set(credentials, '_createSecureConnector', (...args: readonly unknown[]): unknown => {
      const connector: unknown = Reflect.apply(create, credentials, args);
      if (isConnector(connector)) watchConnector(connector, sockets);
      return connector;
    });
  }
  return () => {
    const [socket, ...others] = [...sockets].filter(({ destroyed }) => !destroyed);
    // Two addresses may both have answered; a guess would only make the handshake fail.
    return socket === undefined || others.length > 0 ? undefined : exporterOf(socket);
  };
}

function watchConnector(connector: Connector, sockets: Set<TLSSocket>): void {
  const connect = connector.connect.bind(connector);
  connector.connect = async (...args) => {
    const result = await connect(...args);
    const socket: unknown =
      typeof result === 'object' && result !== null ? Reflect.get(result, 'socket') : undefined;
    if (socket instanceof TLSSocket) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    return result;
  };
}

function isConnector(value: unknown): value is Connector {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'connect') === 'function';
}

/** docs/protocol.md section 6.1: no context, 32 bytes, TLS 1.3 only. */
function exporterOf(socket: TLSSocket): Uint8Array | undefined {
  if (socket.getProtocol() !== 'TLSv1.3') return undefined;
  return Uint8Array.from(socket.exportKeyingMaterial(EXPORTER_LENGTH, EXPORTER_LABEL, Buffer.alloc(0)));
}
