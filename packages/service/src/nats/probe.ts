/**
 * Whether a NATS server speaks at an address, before the client library is let at it.
 *
 * The library leaves the socket of an attempt that timed out open, and one of a paused server would be left at every
 * attempt. A server says its `INFO` first and at once, so a look costs one round trip and is closed here.
 */
import { connect } from 'node:net';
import type { NatsServer } from './options.ts';

export type Probed =
  { readonly ok: true; readonly tls: 'none' | 'offered' } | { readonly ok: false; readonly problem: string };

const MAX_INFO_BYTES = 64 * 1024;
const INFO = /^INFO (\{[^\r\n]*\})/u;

/** Never rejects. */
export function probe({ host, port }: NatsServer, timeoutMs: number): Promise<Probed> {
  const { promise, resolve } = Promise.withResolvers<Probed>();
  const socket = connect({ host, port });
  let heard = '';
  const fail = (problem: string): void => resolve({ ok: false, problem });
  const timer = setTimeout(() => fail(`it does not answer within ${timeoutMs} ms`), timeoutMs);
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    heard += chunk;
    if (heard.includes('\n')) resolve(parseInfo(heard));
    else if (heard.length > MAX_INFO_BYTES) fail('it does not speak NATS');
  });
  socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? 'the connection failed'));
  socket.on('close', () => fail('it closed the connection'));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function parseInfo(text: string): Probed {
  try {
    const info: unknown = JSON.parse(INFO.exec(text)?.[1] ?? '');
    if (typeof info !== 'object' || info === null) throw new TypeError('no object');
    const offersTls = ['tls_required', 'tls_available'].some((key) => Reflect.get(info, key) === true);
    return { ok: true, tls: offersTls ? 'offered' : 'none' };
  } catch {
    return { ok: false, problem: 'it does not speak NATS' };
  }
}
