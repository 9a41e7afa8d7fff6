/** `certs verify --batch`: a case a line in, an answer a line out, in order, as they come and in bounded memory. */
import { availableParallelism } from 'node:os';
import { readLines } from '../send/lines.ts';
import { CaseRunner, DEFAULT_RUNNER, type RunnerOptions } from './case-runner.ts';
import { refused } from './case-answer.ts';
import type { WorkerAnswer } from './worker-messages.ts';

/** A CRL of 48 MiB as base64. */
const MAX_LINE_BYTES = 67_108_864;
/** What may be read and not yet written: enough to keep the workers busy, little beside a worker. */
const MAX_CASES_UNDER_WAY = 256;
const MAX_BYTES_UNDER_WAY = 33_554_432;
/** More than two share a memory bus rather than work. */
const MAX_WORKERS = 4;
/** A worker takes as long to start as it takes to answer so many. */
const CASES_WORTH_A_WORKER = 32;

export type BatchOptions = {
  readonly source: AsyncIterable<Uint8Array>;
  /** One answer and its line end; resolves when more may be written. */
  readonly write: (line: string) => Promise<void>;
  readonly runner?: RunnerOptions;
};

export type BatchCounts = { readonly cases: number; readonly valid: number };

/** Rejects when `source` or `write` does. Blank lines are no cases. */
export async function runBatch({
  source,
  write,
  runner = DEFAULT_RUNNER,
}: BatchOptions): Promise<BatchCounts> {
  using workers = new Workers(runner);
  let cases = 0;
  let valid = 0;
  let bytesUnderWay = 0;
  const underWay: Promise<void>[] = [];
  let last = Promise.resolve();
  for await (const line of readLines(source, MAX_LINE_BYTES)) {
    const size = line.kind === 'line' ? line.bytes.length : 0;
    const answer =
      line.kind === 'line'
        ? workers.answer(line.bytes)
        : Promise.resolve(tooLong(line.number, MAX_LINE_BYTES));
    bytesUnderWay += size;
    last = written(last, answer).finally(() => {
      bytesUnderWay -= size;
    });
    // Its rejection is seen where it is waited for, which may be after the next line has come.
    last.catch(() => undefined);
    underWay.push(last);
    while (underWay.length >= MAX_CASES_UNDER_WAY || bytesUnderWay >= MAX_BYTES_UNDER_WAY)
      await underWay.shift();
  }
  await last;
  return { cases, valid };

  async function written(before: Promise<void>, answer: Promise<WorkerAnswer>): Promise<void> {
    await before;
    const answered = await answer;
    cases += 1;
    if (answered.valid) valid += 1;
    await write(`${answered.json}\n`);
  }
}

function tooLong(number: number, maxBytes: number): WorkerAnswer {
  const problem = `line ${number} has more than ${maxBytes} octets`;
  return { number, valid: false, json: JSON.stringify(refused(null, 'limit', problem)) };
}

/** As many as there is work for; each case goes to the one with the least. */
class Workers implements Disposable {
  readonly #options: RunnerOptions;
  readonly #runners: CaseRunner[] = [];
  readonly #most = Math.min(MAX_WORKERS, availableParallelism());

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  answer(line: Uint8Array): Promise<WorkerAnswer> {
    let [least] = this.#runners;
    for (const runner of this.#runners) if (least === undefined || runner.load < least.load) least = runner;
    if (least === undefined || (least.load >= CASES_WORTH_A_WORKER && this.#runners.length < this.#most)) {
      least = new CaseRunner(this.#options);
      this.#runners.push(least);
    }
    return least.answer(line);
  }

  [Symbol.dispose](): void {
    for (const runner of this.#runners) runner[Symbol.dispose]();
  }
}
