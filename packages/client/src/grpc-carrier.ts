/** The gRPC carrier: one bidirectional stream, whose messages are frames and nothing else. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { channelv1 } from '@sallyport/proto';
import { ChannelError } from './errors.ts';
import { spiffeNameOf } from './gateway-chain.ts';

/** What the channel needs of a connection. */
export type Carrier = {
  /** False asks to wait for `onDrain`. */
  write(frame: Uint8Array): boolean;
  /** Ends it; `onClose` follows. Idempotent. */
  close(): void;
};

export type CarrierEvents = {
  readonly onFrame: (frame: Uint8Array) => void;
  readonly onDrain: () => void;
  /** Once, last. */
  readonly onClose: (error: ChannelError) => void;
};

export type GrpcCarrierOptions = {
  /** `localhost:8444`. */
  readonly address: string;
  readonly caPem: string;
  /** The SPIFFE id that the TLS certificate must have. */
  readonly expectedGateway: string;
};

const METHOD = '/sallyport.channel.v1.ChannelService/Connect';
// A frame of 1 MiB and its field header.
const MAX_MESSAGE_BYTES = 1024 * 1024 + 64;

/** Opens the stream. Nothing is sent before the TLS handshake succeeded; failure is told by `onClose`. */
export function openGrpcCarrier(options: GrpcCarrierOptions, events: CarrierEvents): Carrier {
  let refusal: string | undefined;
  const context = createSecureContext({
    ca: options.caPem,
    minVersion: 'TLSv1.3',
    ecdhCurve: 'X25519MLKEM768:X25519:P-256',
  });
  const client = new Client(
    options.address,
    credentials.createFromSecureContext(context, {
      // Called once the chain was verified: the SPIFFE id is the name, whatever host it runs on.
      checkServerIdentity(_host, { raw }) {
        const name = spiffeNameOf(new X509Certificate(raw));
        if (name === options.expectedGateway) return undefined;
        refusal = `expected ${options.expectedGateway}, met ${name ?? 'a certificate without a SPIFFE name'}`;
        return new Error(refusal);
      },
    }),
    {
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      // A connection of its own: its end is the end of its sessions.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    },
  );
  const stream = client.makeBidiStreamRequest(METHOD, encode, decode);
  let isClosed = false;

  function close(error: ChannelError): void {
    if (isClosed) return;
    isClosed = true;
    stream.cancel();
    client.close();
    events.onClose(error);
  }

  stream.on('data', (frame: Uint8Array) => events.onFrame(frame));
  stream.on('drain', events.onDrain);
  stream.on('error', (error: ServiceError) => close(lost(error, refusal, options.address)));
  stream.on('end', () =>
    close(new ChannelError('connection', 'connection_lost', 'the gateway ended the connection')),
  );
  return {
    write: (frame) => !isClosed && stream.write(frame),
    close: () => close(new ChannelError('closed', 'closed', 'the connection was closed')),
  };
}

function lost(error: ServiceError, refusal: string | undefined, address: string): ChannelError {
  if (refusal !== undefined) {
    return new ChannelError('handshake', 'gateway_name', `${address} is not the gateway: ${refusal}`, {
      cause: error,
    });
  }
  const isAway = error.code === status.UNAVAILABLE;
  const message = isAway
    ? `the gateway at ${address} cannot be reached: ${error.details}`
    : `the connection to the gateway at ${address} broke: ${error.details}`;
  return new ChannelError('connection', 'connection_lost', message, { cause: error });
}

const encode = (frame: Uint8Array): Buffer =>
  Buffer.from(
    toBinary(channelv1.ConnectRequestSchema, { $typeName: 'sallyport.channel.v1.ConnectRequest', frame }),
  );
const decode = (bytes: Buffer): Uint8Array => fromBinary(channelv1.ConnectResponseSchema, bytes).frame;
