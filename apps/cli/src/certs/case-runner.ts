/**
 * Cases in a worker, in order, each with a second. A case that takes longer, or takes the worker down with it, is answered
 * `limit` and nothing else is lost: what was waiting behind it goes to a new worker.
 */
import { Worker } from 'node:worker_threads';
import { idOfLine } from './case.ts';
import { refused } from './case-answer.ts';
import { CASE, TICK, type WorkerAnswer, type WorkerCase } from './worker-messages.ts';

export type RunnerOptions = {
  /** Of one case, from when the worker takes it up. */
  readonly caseTimeMs: number;
  readonly worker: URL;
  /** Of the memory of a worker, without the octets of its lines. */
  readonly maxHeapMib: number;
};

export const DEFAULT_RUNNER: RunnerOptions = {
  caseTimeMs: 1_000,
  worker: new URL('./batch-worker.ts', import.meta.url),
  maxHeapMib: 1_024,
};

const LOOKS_PER_CASE = 20;

type Waiting = WorkerCase & { readonly resolve: (answered: WorkerAnswer) => void };

export class CaseRunner implements Disposable {
  readonly #options: RunnerOptions;
  readonly #waiting: Waiting[] = [];
  readonly #watchdog: NodeJS.Timeout;
  #worker: Worker;
  #ticks: Int32Array;
  #seenTick = 0;
  #looks = 0;
  #count = 0;

  constructor(options: RunnerOptions = DEFAULT_RUNNER) {
    this.#options = options;
    [this.#worker, this.#ticks] = this.#start();
    this.#watchdog = setInterval(() => this.#look(), options.caseTimeMs / LOOKS_PER_CASE);
  }

  /** Cases that are not answered yet. */
  get load(): number {
    return this.#waiting.length;
  }

  /** Never rejects. */
  answer(line: Uint8Array): Promise<WorkerAnswer> {
    return new Promise((resolve) => {
      this.#count += 1;
      this.#waiting.push({ number: this.#count, line, resolve });
      this.#worker.postMessage({ number: this.#count, line } satisfies WorkerCase);
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#watchdog);
    this.#worker.removeAllListeners();
    void this.#worker.terminate();
  }

  #start(): [Worker, Int32Array] {
    const shared = new SharedArrayBuffer(8);
    const worker = new Worker(this.#options.worker, {
      name: 'sallyport-certs',
      workerData: shared,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.#options.maxHeapMib },
    });
    worker.on('message', (answered: WorkerAnswer) => this.#answered(answered));
    worker.on('error', (error: unknown) => this.#giveUp(`the worker failed: ${messageOf(error)}`));
    worker.on('exit', () => this.#giveUp('the worker ended'));
    this.#seenTick = 0;
    this.#looks = 0;
    return [worker, new Int32Array(shared)];
  }

  #answered(answered: WorkerAnswer): void {
    const [first] = this.#waiting;
    if (first?.number !== answered.number) return;
    this.#waiting.shift();
    first.resolve(answered);
  }

  /**
   * An odd tick that stays is a case that goes on. Looks are counted, not time: a machine that slept did not work. A worker
   * that has not begun has no case.
   */
  #look(): void {
    const tick = Atomics.load(this.#ticks, TICK);
    this.#looks = tick === this.#seenTick ? this.#looks + 1 : 0;
    this.#seenTick = tick;
    if (tick % 2 !== 0 && this.#looks >= LOOKS_PER_CASE)
      this.#giveUp(`more than ${this.#options.caseTimeMs} ms`);
  }

  /**
   * Answers the case that is worked on; the others start again, those too whose answers were under way. A worker that ends
   * without a case cannot be started: then the first case pays, so that there is an end.
   */
  #giveUp(detail: string): void {
    const isAtWork = Atomics.load(this.#ticks, TICK) % 2 !== 0;
    const number = isAtWork ? Atomics.load(this.#ticks, CASE) : this.#waiting[0]?.number;
    this.#worker.removeAllListeners();
    // Whatever comes of a worker that is ended has no listener.
    this.#worker.on('error', () => undefined);
    void this.#worker.terminate();
    [this.#worker, this.#ticks] = this.#start();
    const at = this.#waiting.findIndex((waiting) => waiting.number === number);
    const [given] = at === -1 ? [] : this.#waiting.splice(at, 1);
    if (given !== undefined) {
      const json = JSON.stringify(refused(idOfLine(given.line), 'limit', detail));
      given.resolve({ number: given.number, valid: false, json });
    }
    for (const waiting of this.#waiting)
      this.#worker.postMessage({ number: waiting.number, line: waiting.line } satisfies WorkerCase);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
