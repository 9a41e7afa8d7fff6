/** Asking the processes whether they are ready, as any probe would: over HTTPS, verified with the trust root. */
import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { HOST } from './layout.ts';

const PROBE_TIMEOUT_MS = 3_000;
const ASK_EVERY_MS = 100;

/** What is asked: a replica, or what is known of one. */
export type Probed = { readonly name: string; readonly probesPort: number };

export type NotReady = { readonly name: string; readonly problem: string };

export type ReadinessOptions<P extends Probed> = {
  readonly caPem: string;
  readonly withinMs: number;
  readonly signal: AbortSignal;
  /** What is not in the way, by replica and check: the caller looks at it by itself. */
  readonly isTolerated: (replica: P, check: string) => boolean;
};

/** Resolves with nothing when all are ready, else, after `withinMs` or the signal, with what each still waits for. */
export async function untilReady<P extends Probed>(
  replicas: readonly P[],
  options: ReadinessOptions<P>,
): Promise<readonly NotReady[]> {
  const { caPem, withinMs, signal, isTolerated } = options;
  const agent = new Agent({ ca: caPem, servername: 'localhost', keepAlive: true });
  const deadline = performance.now() + withinMs;
  try {
    let open: readonly P[] = replicas;
    for (;;) {
      const asked = await Promise.all(
        open.map(async (replica) => ({ replica, ...(await ask(replica, agent)) })),
      );
      const late = asked.filter(({ replica, problems }) =>
        problems.some(({ check }) => !isTolerated(replica, check)),
      );
      if (late.length === 0) return [];
      if (signal.aborted || performance.now() > deadline) {
        return late.flatMap(({ replica, problems }) =>
          problems.map(({ check, problem }) => ({ name: replica.name, problem: `${check}: ${problem}` })),
        );
      }
      open = late.map(({ replica }) => replica);
      await delay(ASK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    agent.destroy();
  }
}

type Problems = { readonly problems: readonly { readonly check: string; readonly problem: string }[] };

async function ask(replica: Probed, agent: Agent): Promise<Problems> {
  try {
    const body = await get(replica.probesPort, agent);
    const { checks } = JSON.parse(body) as { checks: { name: string; ok: boolean; problem?: string }[] };
    return {
      problems: checks.flatMap(({ name, ok, problem }) =>
        ok ? [] : [{ check: name, problem: problem ?? 'not ready' }],
      ),
    };
  } catch (error) {
    return { problems: [{ check: 'probe', problem: (error as Error).message }] };
  }
}

function get(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: HOST, port, path: '/readyz', agent, timeout: PROBE_TIMEOUT_MS },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve(body));
      },
    );
    call.on('timeout', () => call.destroy(new Error(`no answer within ${PROBE_TIMEOUT_MS} ms`)));
    call.on('error', reject);
    call.end();
  });
}
