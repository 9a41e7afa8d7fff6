/** A worker of a batch that does what the line says: `stall`, `crash`, `exhaust`, `exit`; anything else it answers at once. */
import { parentPort, workerData } from 'node:worker_threads';
import { CASE, TICK, type WorkerAnswer, type WorkerCase } from '../../src/certs/worker-messages.ts';

const ticks = new Int32Array(workerData as SharedArrayBuffer);

parentPort?.on('message', ({ number, line }: WorkerCase) => {
  Atomics.store(ticks, CASE, number);
  Atomics.add(ticks, TICK, 1);
  const { id, act } = JSON.parse(Buffer.from(line).toString()) as { id: string; act?: string };
  if (act === 'stall') for (;;) ticks.length.toString();
  if (act === 'crash') throw new Error('as told');
  if (act === 'exit') process.exit();
  if (act === 'exhaust') {
    const kept: string[][] = [];
    for (;;) kept.push(Array.from({ length: 100_000 }, () => act));
  }
  Atomics.add(ticks, TICK, 1);
  const answered: WorkerAnswer = { number, valid: true, json: JSON.stringify({ id, valid: true }) };
  parentPort?.postMessage(answered);
});
