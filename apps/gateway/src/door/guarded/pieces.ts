/** Long lists piece by piece: between two of them the event loop has its turn, so that one server's list holds up nobody. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** A definition is digested and judged in some tens of microseconds. */
const PIECE_ITEMS = 128;

/** All items in order, a piece at a time; a list that is one piece waits for nothing. */
export async function* pieces<T>(items: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let at = 0; at < items.length; at += PIECE_ITEMS) {
    if (at > 0) await nextTurn();
    yield items.length <= PIECE_ITEMS ? items : items.slice(at, at + PIECE_ITEMS);
  }
}
