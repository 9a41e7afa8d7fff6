/** Serves `FrameStream`s over a bidirectional gRPC stream. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { busy, invalidArgument, unavailable, type SallyportError } from '../errors/index.ts';
import { lingerThenCut, statusError } from './answer.ts';
import { beginCall, callerOf, concludeCall, type ActiveCall, type Edge, type ServedMethod } from './edge.ts';
import { decodeFrame, encodeFrame } from './frame-codec.ts';
import type { FrameHandler, FrameStream, FrameStreamHandler } from './frame-stream.ts';

// `write` says false from here on, and `onDrain` comes when half of it has left.
const HIGH_WATER_BYTES = 1024 * 1024;
/** Times `maxMessageBytes`: a sender that does not wait is cut off at this many pending bytes. */
const PENDING_MESSAGES = 4;

type Call = ServerDuplexStream<Uint8Array, Uint8Array>;

export function frameAnswerer(edge: Edge, method: ServedMethod, handler: FrameStreamHandler) {
  return (call: Call): void => {
    const active = beginCall(edge, method, call, { defaultMs: Infinity, maxMs: Infinity });
    try {
      serve(edge, active, call, handler);
    } catch (thrown) {
      end(edge, active, call, thrown);
    }
  };
}

function serve(edge: Edge, active: ActiveCall, call: Call, open: FrameStreamHandler): void {
  const caller = callerOf(edge, active);
  const { limits } = edge;
  const maxPendingBytes = PENDING_MESSAGES * limits.maxMessageBytes;
  let pendingBytes = 0;
  let draining = false;
  let ended = false;
  let closed = false;
  let sink: FrameHandler | undefined;

  const finish = (thrown: unknown): void => {
    if (ended) return;
    ended = true;
    end(edge, active, call, thrown);
  };
  /** Nothing that a handler throws may reach the event loop. */
  const guarded = (run: () => void): void => {
    try {
      run();
    } catch (thrown) {
      finish(thrown);
    }
  };
  const onWritten = (bytes: number): void => {
    pendingBytes -= bytes;
    if (!draining || ended || pendingBytes > HIGH_WATER_BYTES / 2) return;
    draining = false;
    guarded(() => sink?.onDrain?.());
  };

  const stream: FrameStream = {
    peerAddress: active.peerAddress,
    traceparent: traceparentOf(call),
    caller,
    signal: active.signal,
    exporter(label, length, context) {
      const socket = active.connection?.socket;
      if (socket === undefined || socket.destroyed) return undefined;
      // RFC 8446 section 7.5: an empty context and none are the same.
      return socket.exportKeyingMaterial(length, label, Buffer.from(context ?? []));
    },
    write(frame) {
      if (ended || closed) return false;
      const bytes = encodeFrame(frame);
      if (bytes.length > limits.maxMessageBytes)
        throw new RangeError('the frame is larger than maxMessageBytes');
      if (pendingBytes + bytes.length > maxPendingBytes) {
        finish(busy('the other end does not read what is sent'));
        return false;
      }
      pendingBytes += bytes.length;
      call.write(bytes, () => onWritten(bytes.length));
      draining ||= pendingBytes >= HIGH_WATER_BYTES;
      return !draining;
    },
    get pendingBytes() {
      return pendingBytes;
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    end: (error) => finish(error),
  };

  sink = open(stream);
  const handler = sink;
  call.on('data', (bytes: Uint8Array) => {
    if (ended) return;
    const frame = decodeFrame(bytes, active.method.input);
    if (frame === undefined) finish(invalidArgument(`not a ${active.method.input.typeName}`));
    else guarded(() => handler.onFrame(frame));
  });
  call.on('end', () => {
    if (!ended) guarded(() => handler.onEnd?.());
  });
  // Set by `beginCall` on a lost carrier, by a drain that ran out of time, and after a normal end.
  active.signal.addEventListener(
    'abort',
    () => {
      finish(active.signal.reason);
      if (closed) return;
      closed = true;
      guarded(() => handler.onClose?.());
    },
    { once: true },
  );
}

function end(edge: Edge, active: ActiveCall, call: Call, thrown: unknown): void {
  const error = concludeCall(edge, active, thrown);
  if (error === undefined) call.end();
  else call.emit('error', statusError(error));
  lingerThenCut(active, call);
}

/** What calls under way hear when the server closes and they did not end in time. */
export function closing(): SallyportError {
  return unavailable('the server is closing');
}

function traceparentOf(call: Call): string | undefined {
  const [header] = call.metadata.get('traceparent');
  return typeof header === 'string' ? header : undefined;
}
