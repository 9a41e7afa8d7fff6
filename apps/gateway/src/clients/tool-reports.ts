/** Tells policy-service which tools were seen: in batches, in the background, until it has them. */
import { fromHex } from '@sallyport/crypto';
import type { policyv1 } from '@sallyport/proto';
import { SallyportError } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { SeenTool } from '../door/guarded/ports.ts';

/** Long enough that the pages of one list go together, short against a person who waits for a tool. */
const COLLECT_MS = 200;
const RETRY_MS = { first: 500, most: 30_000 };
const CALL_DEADLINE_MS = 5_000;
/** Between two calls: whoever stores them has others to serve. */
const BETWEEN_MS = 100;
/** What one call may carry (apps/policy-service). */
const MAX_BATCH = 100;
const MAX_BATCH_BYTES = 1024 * 1024;
const MAX_DEFINITION_BYTES = 64 * 1024;
/** What waits while policy-service is away: so many, and so much of their definitions. */
const MAX_WAITING = 5_000;
/** Of one route: as many as policy-service keeps of it, and none that keeps others' waiting. */
const MAX_WAITING_OF_ROUTE = 2_000;
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

export type ToolReportsOptions = {
  readonly policy: Pick<ServiceCalls<typeof policyv1.PolicyService>, 'observeTools'>;
  /** As policy-service knows this gateway. */
  readonly instance: string;
  /** Resolves after `ms`, or at once when `signal` is aborted; keeps no process alive. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: { warn(message: string, fields?: Readonly<Record<string, unknown>>): void };
};

export type ToolReports = AsyncDisposable & {
  tell(route: string, tools: readonly SeenTool[]): void;
  /** How many wait to be told. */
  readonly waiting: number;
};

type Report = {
  readonly route: string;
  readonly tool: string;
  readonly digest: string;
  readonly json: string;
};

export function startToolReports({ policy, instance, sleep, log }: ToolReportsOptions): ToolReports {
  const stop = new AbortController();
  const queue = new Map<string, Report>();
  const waitingOf = new Map<string, number>();
  let bytes = 0;
  let isFull = false;
  let sending: Promise<void> | undefined;

  function add(route: string, { name, digest, definition }: SeenTool): void {
    const key = JSON.stringify([route, name, digest]);
    if (queue.has(key)) return;
    const ofRoute = waitingOf.get(route) ?? 0;
    if (queue.size >= MAX_WAITING || ofRoute >= MAX_WAITING_OF_ROUTE) {
      if (!isFull) log.warn('tools that were seen cannot be reported: too many wait', { route });
      isFull = true;
      return;
    }
    const text = JSON.stringify(definition);
    // A definition that is too long is pinned all the same, by its digest; nobody can read it before approving it.
    const fits =
      Buffer.byteLength(text, 'utf8') <= MAX_DEFINITION_BYTES && bytes + text.length <= MAX_WAITING_BYTES;
    const json = fits ? text : '';
    bytes += json.length;
    waitingOf.set(route, ofRoute + 1);
    queue.set(key, { route, tool: name, digest, json });
  }

  /** One definition of a tool at a time: another one of the same tool is for the next call. */
  function nextBatch(most: number): [string, Report][] {
    const batch: [string, Report][] = [];
    const tools = new Set<string>();
    let size = 0;
    for (const [key, report] of queue) {
      const tool = `${report.route}/${report.tool}`;
      if (tools.has(tool)) continue;
      if (batch.length === most || size + report.json.length > MAX_BATCH_BYTES) break;
      tools.add(tool);
      size += report.json.length;
      batch.push([key, report]);
    }
    return batch;
  }

  async function send(): Promise<void> {
    await sleep(COLLECT_MS, stop.signal);
    let retryMs = RETRY_MS.first;
    let most = MAX_BATCH;
    while (queue.size > 0 && !stop.signal.aborted) {
      const batch = nextBatch(most);
      try {
        const tools = batch.map(([, { route, tool, digest, json }]) => ({
          route,
          tool,
          digest: fromHex(digest) ?? new Uint8Array(),
          definitionJson: json,
        }));
        await policy.observeTools({ instance, tools }, { deadlineMs: CALL_DEADLINE_MS, signal: stop.signal });
        retryMs = RETRY_MS.first;
        most = Math.min(MAX_BATCH, 2 * most);
      } catch (error) {
        if (stop.signal.aborted) return;
        if (!isFinal(error)) {
          // What was too much in the time there is would be too much again.
          most = Math.max(1, Math.floor(most / 2));
          log.warn('tools that were seen are not reported yet', { waiting: queue.size, error });
          await sleep(retryMs, stop.signal);
          retryMs = Math.min(retryMs * 2, RETRY_MS.most);
          continue;
        }
        log.warn('policy-service takes no report of these tools', { count: batch.length, error });
      }
      for (const [key, { route, json }] of batch) {
        queue.delete(key);
        bytes -= json.length;
        waitingOf.set(route, (waitingOf.get(route) ?? 1) - 1);
      }
      isFull = false;
      if (queue.size > 0) await sleep(BETWEEN_MS, stop.signal);
    }
  }

  return {
    tell(route, tools) {
      if (stop.signal.aborted) return;
      for (const tool of tools) add(route, tool);
      if (queue.size === 0 || sending !== undefined) return;
      sending = send().finally(() => {
        sending = undefined;
      });
    },
    get waiting() {
      return queue.size;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await sending;
    },
  };
}

/** The same report would be refused again. */
const isFinal = (error: unknown): boolean =>
  error instanceof SallyportError && (error.reason === 'invalid_argument' || error.reason === 'too_large');
