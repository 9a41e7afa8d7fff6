/** Real gRPC servers with TLS for the carrier, whatever stands behind them. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { channelv1 } from '@sallyport/proto';
import type { World } from './certificates.ts';

export type GatewayStream = ServerDuplexStream<Uint8Array, Uint8Array>;

export function grpcServers() {
  const servers: Server[] = [];
  return {
    stop(): void {
      for (const server of servers.splice(0)) server.forceShutdown();
    },
    /** On a free port of 127.0.0.1, or the one given. */
    async start({ tls }: World, onStream: (stream: GatewayStream) => void, port = 0) {
      const server = new Server({ 'grpc.max_receive_message_length': 2 ** 21 });
      servers.push(server);
      server.addService(SERVICE, {
        connect(stream: GatewayStream) {
          stream.on('error', () => undefined);
          onStream(stream);
        },
      });
      const pair = { private_key: Buffer.from(tls.keyPem), cert_chain: Buffer.from(tls.pem) };
      const credentials = ServerCredentials.createSsl(null, [pair]);
      const bound = await new Promise<number>((resolve, reject) => {
        server.bindAsync(`127.0.0.1:${port}`, credentials, (error, at) =>
          error === null ? resolve(at) : reject(error),
        );
      });
      return { server, port: bound };
    },
  };
}

const SERVICE = {
  connect: {
    path: '/sallyport.channel.v1.ChannelService/Connect',
    requestStream: true,
    responseStream: true,
    requestSerialize: Buffer.from,
    requestDeserialize: (bytes: Buffer) => fromBinary(channelv1.ConnectRequestSchema, bytes).frame,
    responseSerialize: (frame: Uint8Array) =>
      Buffer.from(
        toBinary(channelv1.ConnectResponseSchema, {
          $typeName: 'sallyport.channel.v1.ConnectResponse',
          frame,
        }),
      ),
    responseDeserialize: Uint8Array.from,
  },
} as const;
