/** The gRPC carrier: one bidirectional stream, whose messages are frames and nothing else. */
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { channelv1 } from '@sallyport/proto';
import type { Carrier, CarrierEvents } from './carrier.ts';
import { ChannelError } from './errors.ts';
import { spiffeNameOf } from './gateway-chain.ts';
import { watchTlsExporter } from './tls-exporter.ts';

export type GrpcCarrierOptions = {
  /** `localhost:8444`. */
  readonly address: string;
  readonly caPem: string;
  readonly trustDomain: string;
  /** The SPIFFE id that the TLS certificate must have. */
  readonly expectedGateway: string;
  /** For the connection; its end is told by `onClose`. */
  readonly timeoutMs: number;
  /** W3C, of the span that opens the connection. */
  readonly traceparent?: string | undefined;
};

const METHOD = '/sallyport.channel.v1.ChannelService/Connect';
// A frame of 1 MiB and its field header.
const MAX_MESSAGE_BYTES = 1024 * 1024 + 64;
/** What was written has this long to leave once we close, even when the gateway does not read. */
const LINGER_MS = 250;
/** And, once it left, for the gateway to take it or end the stream itself. */
const SETTLE_MS = 25;
/** A connection that says nothing is asked whether it lives, and is over when it does not answer. */
const KEEPALIVE_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** Opens the stream. Nothing is sent before the TLS handshake succeeded; failure is told by `onClose`. */
export function openGrpcCarrier(options: GrpcCarrierOptions, events: CarrierEvents): Carrier {
  const { address, caPem, expectedGateway, trustDomain, timeoutMs } = options;
  let refusal: string | undefined;
  const secureContext = createSecureContext({
    ca: caPem,
    minVersion: 'TLSv1.3',
    ecdhCurve: 'X25519MLKEM768:X25519:P-256',
  });
  const channelCredentials = credentials.createFromSecureContext(secureContext, {
    // Called once the chain was verified: the SPIFFE id is the name, whatever host it runs on.
    checkServerIdentity(_host, { raw }) {
      const name = spiffeNameOf(raw);
      if (name === expectedGateway) return undefined;
      refusal = `expected ${expectedGateway}, met ${name ?? 'a certificate without a SPIFFE name'}`;
      return new Error(refusal);
    },
  });
  const exporter = watchTlsExporter(channelCredentials);
  const client = new Client(address, channelCredentials, {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    // A connection of its own: its end is the end of its sessions.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    // RFC 6066 section 3: the server name of TLS is never an IP address.
    ...(isIP(hostOf(address)) === 0 ? {} : { 'grpc.ssl_target_name_override': `gateway.${trustDomain}` }),
  });
  const metadata = new Metadata();
  if (options.traceparent !== undefined) metadata.set('traceparent', options.traceparent);
  const stream = client.makeBidiStreamRequest(METHOD, encode, decode, metadata);
  const closed = Promise.withResolvers<void>();
  let isOpen = false;
  let isClosed = false;

  function destroy(): void {
    stream.cancel();
    client.close();
    closed.resolve();
  }
  function close(error: ChannelError, lingerMs: number): void {
    if (isClosed) return;
    isClosed = true;
    if (lingerMs === 0) {
      destroy();
    } else {
      let timer = setTimeout(destroy, lingerMs);
      // Finished = all of it was handed to the socket. Cutting the stream at once would overtake it at the gateway.
      stream.once('finish', () => {
        clearTimeout(timer);
        timer = setTimeout(destroy, SETTLE_MS);
      });
      void closed.promise.then(() => clearTimeout(timer));
      stream.end();
    }
    events.onClose(error);
  }

  stream.on('data', (frame: Uint8Array) => {
    if (!isClosed) events.onFrame(frame);
  });
  stream.on('drain', () => {
    if (!isClosed) events.onDrain();
  });
  // Stays until the end: an error that nobody listens to would end the process.
  stream.on('error', (error: ServiceError) => {
    if (isClosed) destroy();
    else close(lost(error, refusal, address, isOpen), 0);
  });
  stream.on('end', () => {
    if (isClosed) destroy();
    else close(new ChannelError('connection', 'connection_lost', 'the gateway ended the connection'), 0);
  });
  client.waitForReady(Date.now() + timeoutMs, (error) => {
    if (error !== undefined || isClosed) return;
    isOpen = true;
    events.onOpen(exporter());
  });
  return {
    write: (frame) => !isClosed && stream.write(frame),
    close: () => close(new ChannelError('closed', 'closed', 'the connection was closed'), LINGER_MS),
    closed: closed.promise,
  };
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/u, '').replace(/^\[(.*)\]$/u, '$1');
}

function lost(
  error: ServiceError,
  refusal: string | undefined,
  address: string,
  wasOpen: boolean,
): ChannelError {
  if (refusal !== undefined) {
    return new ChannelError('handshake', 'gateway_name', `${address} is not the gateway: ${refusal}`, {
      cause: error,
    });
  }
  const isAway = !wasOpen && error.code === status.UNAVAILABLE;
  const message = isAway
    ? `the gateway at ${address} cannot be reached: ${causeIn(error.details)}`
    : `the connection to the gateway at ${address} broke: ${causeIn(error.details)}`;
  return new ChannelError('connection', 'connection_lost', message, { cause: error });
}

/** What a person wants to read of what grpc-js wraps around the system's words; no decision rests on it. */
function causeIn(details: string): string {
  return /Last error: (?:Error: )?(.*?)\. Resolution note:/su.exec(details)?.[1] ?? details;
}

const encode = (frame: Uint8Array): Buffer =>
  Buffer.from(
    toBinary(channelv1.ConnectRequestSchema, { $typeName: 'sallyport.channel.v1.ConnectRequest', frame }),
  );
const decode = (bytes: Buffer): Uint8Array => fromBinary(channelv1.ConnectResponseSchema, bytes).frame;
