/**
 * A client that keeps no rules: HTTP/2 and gRPC framing by hand, frames as they are. One connection may carry several
 * streams; each is a carrier.
 */
import { connect as connectHttp2, constants, type ClientHttp2Stream } from 'node:http2';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FRAME_TYPE, parseFrame, type Frame } from '@sallyport/channel';
import { channelv1 } from '@sallyport/proto';

export type RawCarrier = AsyncDisposable & {
  /** What came and was not taken yet. */
  readonly frames: Uint8Array[];
  send(frame: Uint8Array): void;
  /** gRPC's message, whatever is in it. */
  sendMessage(message: Uint8Array): void;
  /** The next frame of one of these types; rejects after 5 s or when the stream is over. */
  next(...types: number[]): Promise<Uint8Array>;
  /** The next frame of messages for one session. */
  nextFor(sid: Uint8Array): Promise<Uint8Array>;
  /** Resolves when the gateway ended the stream. */
  readonly ended: Promise<void>;
  readonly isEnded: boolean;
  /** Says that nothing more will come, and goes on reading. */
  halfClose(): void;
  /** Reads no more until told: back-pressure on the gateway. */
  pause(): void;
  resume(): void;
};

const WAIT_MS = 5_000;

export async function openRawCarrier(port: number, caPem: string): Promise<RawCarrier> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: caPem, servername: 'localhost' });
  await new Promise<void>((resolve, reject) => {
    session.once('connect', () => resolve());
    session.once('error', reject);
  });
  session.on('error', () => undefined);
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: '/sallyport.channel.v1.ChannelService/Connect',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const carrier = overStream(stream);
  return {
    ...carrier,
    get isEnded() {
      return carrier.isEnded;
    },
    async [Symbol.asyncDispose]() {
      stream.destroy();
      session.destroy();
      await carrier.ended;
    },
  };
}

function overStream(stream: ClientHttp2Stream): Omit<RawCarrier, typeof Symbol.asyncDispose> {
  const frames: Uint8Array[] = [];
  const waiting = new Set<() => void>();
  let buffer = Buffer.alloc(0);
  let isEnded = false;
  const wake = (): void => {
    for (const check of [...waiting]) check();
  };
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      isEnded = true;
      wake();
      resolve();
    };
    stream.once('end', end);
    stream.once('close', end);
  });
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 5 && buffer.length >= 5 + buffer.readUInt32BE(1)) {
      const end = 5 + buffer.readUInt32BE(1);
      const message = Uint8Array.from(buffer.subarray(5, end));
      frames.push(fromBinary(channelv1.ConnectResponseSchema, message).frame);
      buffer = buffer.subarray(end);
    }
    wake();
  });

  function next(what: string, isWanted: (frame: Frame) => boolean): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const index = frames.findIndex((frame) => {
          const parsed = parseFrame(frame);
          return parsed.ok && isWanted(parsed);
        });
        if (index < 0 && !isEnded) return;
        clearTimeout(timer);
        waiting.delete(check);
        const [frame] = index < 0 ? [] : frames.splice(index, 1);
        if (frame === undefined) reject(new Error(`the stream ended before ${what}`));
        else resolve(frame);
      };
      const timer = setTimeout(() => {
        waiting.delete(check);
        reject(new Error(`no ${what} within ${WAIT_MS} ms`));
      }, WAIT_MS);
      waiting.add(check);
      check();
    });
  }

  function sendMessage(message: Uint8Array): void {
    if (stream.destroyed || stream.writableEnded) return;
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    stream.write(Buffer.concat([prefix, message]));
  }

  return {
    frames,
    ended,
    get isEnded() {
      return isEnded;
    },
    sendMessage,
    send: (frame) =>
      sendMessage(
        toBinary(channelv1.ConnectRequestSchema, { $typeName: 'sallyport.channel.v1.ConnectRequest', frame }),
      ),
    next: (...types) => next(`frame of type ${types.join()}`, ({ type }) => types.includes(type)),
    nextFor: (wanted) =>
      next(
        'frame of the session',
        ({ type, sid }) => type === FRAME_TYPE.messages && Buffer.compare(sid, wanted) === 0,
      ),
    halfClose: () => void stream.end(),
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
  };
}
