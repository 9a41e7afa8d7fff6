/** A fetcher out of memory that writes down what it was asked; what it does not know is unreachable. */
import type { FetchAnswer, Fetcher, FetchRequest } from '../../src/fetch/index.ts';

export type Respond = (request: FetchRequest) => Uint8Array | FetchAnswer;

export function fakeFetcher(contents: Readonly<Record<string, Uint8Array | Respond>>): {
  readonly fetcher: Fetcher;
  readonly asked: FetchRequest[];
} {
  const asked: FetchRequest[] = [];
  return {
    asked,
    fetcher: {
      fetch(request) {
        asked.push(request);
        const content = contents[request.url];
        const answer = typeof content === 'function' ? content(request) : content;
        if (answer === undefined)
          return Promise.resolve({ ok: false, problem: 'unreachable', detail: 'nobody there' });
        return Promise.resolve('ok' in answer ? answer : { ok: true, body: answer, maxAgeMs: undefined });
      },
    },
  };
}
