/** Every frame that was recorded, sent again: nothing left to chance, as a test that looks for one frame wants it. */
import type { Recorder } from '../long/replays.ts';

const AT_ONCE = 64;

/** Half where it came from, half by carriers of their own to one gateway after the other. */
export async function replayAll(recorder: Recorder): Promise<void> {
  const frames = recorder.counts().recorded;
  for (let done = 0; done < frames; done += AT_ONCE) await recorder.replay(Math.min(AT_ONCE, frames - done));
}

/** For `createRecorder`: one after the other instead of at random. */
export function inTurn(): (low: number, high: number) => number {
  let turn = 0;
  return (low, high) => low + (turn++ % (high - low));
}
