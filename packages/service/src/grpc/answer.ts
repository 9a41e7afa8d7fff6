/** Runs the handlers of unary and server-streaming methods. */
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { create, toBinary, type Message, type MessageInitShape, type DescMessage } from '@bufbuild/protobuf';
import { tooLarge, type SallyportError } from '../errors/index.ts';
import { admit, type Admitted } from './admit.ts';
import {
  beginCall,
  concludeCall,
  inServerSpan,
  type ActiveCall,
  type Edge,
  type ServedMethod,
} from './edge.ts';
import type { CallContext } from './implement.ts';
import { statusOf } from './status.ts';

type Reply = MessageInitShape<DescMessage>;
export type AnyUnary = (request: Message, context: CallContext) => Promise<Reply>;
export type AnyServerStream = (request: Message, context: CallContext) => AsyncIterable<Reply>;

/** After a status was given, a peer that reads nothing keeps its connection this long. */
const LINGER_MS = 5_000;

export function unaryAnswerer(edge: Edge, method: ServedMethod, handler: AnyUnary) {
  const bounds = { defaultMs: edge.limits.defaultDeadlineMs, maxMs: edge.limits.maxDeadlineMs };
  return (call: ServerUnaryCall<Uint8Array, Uint8Array>, respond: sendUnaryData<Uint8Array>): void => {
    const active = beginCall(edge, method, call, bounds);
    void inServerSpan(edge, call, active, async () => {
      const admitted = await beforeDeadline(active, admit(edge, active, call.request, false));
      return concluding(admitted, async () => {
        method.validate?.(admitted.request as never);
        const reply = await beforeDeadline(active, handler(admitted.request, admitted.context));
        return encode(edge, method, reply);
      });
    }).then(
      (bytes) => {
        concludeCall(edge, active, undefined);
        respond(null, bytes);
      },
      (thrown: unknown) => refuse(edge, active, thrown, (status) => respond(status)),
    );
  };
}

export function serverStreamAnswerer(edge: Edge, method: ServedMethod, handler: AnyServerStream) {
  const bounds = { defaultMs: edge.limits.maxStreamMs, maxMs: edge.limits.maxStreamMs };
  return (call: ServerWritableStream<Uint8Array, Uint8Array>): void => {
    const active = beginCall(edge, method, call, bounds);
    void inServerSpan(edge, call, active, async () => {
      const admitted = await beforeDeadline(active, admit(edge, active, call.request, true));
      await concluding(admitted, async () => {
        method.validate?.(admitted.request as never);
        await pump(edge, active, call, handler(admitted.request, admitted.context));
      });
    }).then(
      () => {
        concludeCall(edge, active, undefined);
        call.end();
      },
      (thrown: unknown) => {
        refuse(edge, active, thrown, (status) => {
          call.emit('error', status);
          lingerThenCut(active, call);
        });
      },
    );
  };
}

/** One message at a time: the next is asked for when the transport took the last, so a slow reader slows the handler. */
async function pump(
  edge: Edge,
  active: ActiveCall,
  call: ServerWritableStream<Uint8Array, Uint8Array>,
  replies: AsyncIterable<Reply>,
): Promise<void> {
  const iterator = replies[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await beforeDeadline(active, iterator.next());
      if (next.done === true) return;
      const bytes = encode(edge, active.method, next.value);
      await beforeDeadline(active, written(call, bytes));
    }
  } catch (error) {
    // Lets the generator's `finally` run. Not awaited: one that hangs would hold the status back.
    void Promise.resolve(iterator.return?.()).catch(() => {});
    throw error;
  }
}

function written(call: ServerWritableStream<Uint8Array, Uint8Array>, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    call.write(bytes, (error: Error | null | undefined) => (error ? reject(error) : resolve()));
  });
}

/** A handler that goes on after the abort is left alone; its signal has told it. */
function beforeDeadline<T>(active: ActiveCall, work: Promise<T>): Promise<T> {
  return Promise.race([work, active.aborted]);
}

/** Records the outcome before the answer leaves. */
async function concluding<T>(admitted: Admitted, run: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await run();
  } catch (thrown) {
    await admitted.conclude(thrown);
    throw thrown;
  }
  await admitted.conclude(undefined);
  return result;
}

function encode(edge: Edge, method: ServedMethod, reply: Reply): Uint8Array {
  const bytes = toBinary(method.output, create(method.output, reply));
  if (bytes.length > edge.limits.maxMessageBytes) {
    throw tooLarge(`the answer has ${bytes.length} bytes, at most ${edge.limits.maxMessageBytes} are sent`);
  }
  return bytes;
}

type Status = Error & Pick<ReturnType<typeof statusOf>, 'code' | 'details' | 'metadata'>;

export function refuse(
  edge: Edge,
  active: ActiveCall,
  thrown: unknown,
  send: (status: Status) => void,
): void {
  const error = concludeCall(edge, active, thrown ?? new Error('rejected with nothing'));
  if (error !== undefined) send(statusError(error));
}

/** grpc-js takes errors; the stack of this one is nobody's concern. */
export function statusError(error: SallyportError): Status {
  return Object.assign(new Error(error.message), statusOf(error));
}

/** Behind data that nobody reads, a status never arrives: cut the connection then. */
export function lingerThenCut(
  active: ActiveCall,
  call: { once(event: 'cancelled', f: () => void): unknown },
): void {
  const timer = setTimeout(() => active.connection?.socket.destroy(), LINGER_MS);
  timer.unref();
  call.once('cancelled', () => clearTimeout(timer));
}
