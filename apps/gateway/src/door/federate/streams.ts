/** Streams of several servers as one. */
import type { Message } from '@sallyport/model-context';
import { UpstreamFailure, type Exchange } from '../ports.ts';
import { leave } from '../translate/exchanges.ts';
import { mailbox } from '../translate/mailbox.ts';

export type Source = { readonly route: string; readonly open: (signal: AbortSignal) => Promise<Exchange> };
export type Heard = { readonly route: string; readonly message: Message };

const CAPACITY = 1_024;

/**
 * What each server says, as it comes; ends when all have ended. One that fails is reported and left out. Event ids are not
 * handed on: a stream of several cannot be resumed.
 */
export async function* together(
  sources: readonly Source[],
  signal: AbortSignal,
  failed: (route: string, cause: unknown) => void,
): AsyncGenerator<Heard> {
  const ended = new AbortController();
  const own = AbortSignal.any([signal, ended.signal]);
  const box = mailbox<Heard>({
    capacity: CAPACITY,
    comfortable: CAPACITY / 2,
    cancelled: () => new UpstreamFailure('cancelled', 'The client left.'),
  });
  const read = async ({ route, open }: Source): Promise<void> => {
    try {
      const exchange = await open(own);
      if (exchange.status >= 400) {
        await leave(exchange);
        // 405: it says nothing by itself.
        if (exchange.status !== 405)
          failed(route, new UpstreamFailure('malformed', `It answered ${exchange.status}.`));
        return;
      }
      for await (const { message } of exchange.messages) {
        if (message !== undefined) box.put({ route, message });
        await box.room();
      }
    } catch (cause) {
      if (!own.aborted) failed(route, cause);
    }
  };
  void Promise.all(sources.map(read)).then(() => box.close());
  try {
    for (;;) {
      const heard = await box.take(signal);
      if (heard === undefined) return;
      yield heard;
    }
  } finally {
    ended.abort();
    box.close();
  }
}
