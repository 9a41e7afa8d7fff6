/** Answers cases one after the other, apart from the process that waits for them: it can be ended while it works. */
import { parentPort, workerData } from 'node:worker_threads';
import { createCache } from '@sallyport/x509';
import { answerCase } from './case-answer.ts';
import { CASE, TICK, type WorkerAnswer, type WorkerCase } from './worker-messages.ts';

const cache = createCache();
/** Odd while a case is worked on; whoever waits sees whether it moves. */
const ticks = new Int32Array(workerData as SharedArrayBuffer);

parentPort?.on('message', ({ number, line }: WorkerCase) => {
  Atomics.store(ticks, CASE, number);
  Atomics.add(ticks, TICK, 1);
  const answer = answerCase(line, cache);
  const answered: WorkerAnswer = { number, valid: answer.valid, json: JSON.stringify(answer) };
  Atomics.add(ticks, TICK, 1);
  parentPort?.postMessage(answered);
});
