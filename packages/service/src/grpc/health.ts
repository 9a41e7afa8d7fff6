/**
 * grpc.health.v1, on every server that asks for certificates: whoever holds one of ours may ask, no policy needed, so
 * that probes work while policy-service is down. It says one bit, and which services this server has.
 */
import { healthv1 } from '@sallyport/proto';
import { notFound } from '../errors/index.ts';
import { implement, type ServiceImplementation } from './implement.ts';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = healthv1.HealthCheckResponse_ServingStatus;

export interface Health {
  readonly implementation: ServiceImplementation;
  set(serving: boolean): void;
}

/** `names`: full names of the services of this server. */
export function createHealth(names: readonly string[]): Health {
  const known = new Set(['', ...names]);
  const listeners = new Set<() => void>();
  let serving = true;
  const statusOf = (service: string) =>
    known.has(service) ? (serving ? SERVING : NOT_SERVING) : SERVICE_UNKNOWN;

  const implementation = implement(healthv1.Health, {
    check: async ({ service }) => {
      if (!known.has(service)) throw notFound('this server has no such service');
      return { status: statusOf(service) };
    },
    async *watch({ service }, { signal }) {
      let last: number | undefined;
      while (!signal.aborted) {
        const status = statusOf(service);
        if (status !== last) {
          last = status;
          yield { status };
          continue;
        }
        await new Promise<void>((resolve) => {
          const wake = () => {
            listeners.delete(wake);
            signal.removeEventListener('abort', wake);
            resolve();
          };
          listeners.add(wake);
          signal.addEventListener('abort', wake, { once: true });
        });
      }
    },
  });
  return {
    implementation,
    set(value) {
      serving = value;
      for (const wake of [...listeners]) wake();
    },
  };
}
