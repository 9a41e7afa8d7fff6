/** The body of a request: whole, within its bounds and its time, or not at all. */
import type { IncomingMessage } from 'node:http';

export type BodyBounds = {
  readonly maxBytes: number;
  readonly deadlineMs: number;
  /** Room for so many bytes more; false = there is none now. */
  readonly hold: (bytes: number) => boolean;
  /** Aborts when its sender may not go on. */
  readonly signal?: AbortSignal;
};

export type Body = Uint8Array | 'too_large' | 'slow' | 'busy' | 'gone';

/** Never rejects. What was not read is left on the connection, which is then closed. */
export function readBody(request: IncomingMessage, bounds: BodyBounds): Promise<Body> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bounds.maxBytes) return Promise.resolve('too_large');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => finish('slow'), bounds.deadlineMs);
    const onAbort = (): void => finish('gone');

    function finish(body: Body): void {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      bounds.signal?.removeEventListener('abort', onAbort);
      request.pause();
      resolve(body);
    }
    function onData(chunk: Buffer): void {
      length += chunk.length;
      if (length > bounds.maxBytes) return finish('too_large');
      if (!bounds.hold(chunk.length)) return finish('busy');
      chunks.push(chunk);
    }
    const onEnd = (): void =>
      finish(chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks, length));
    const onClose = (): void => finish('gone');

    bounds.signal?.addEventListener('abort', onAbort);
    request
      .on('data', onData)
      .on('end', onEnd)
      .on('close', onClose)
      .on('error', () => undefined);
  });
}
