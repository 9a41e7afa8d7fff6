/** How many processes of each service: `gateway=2,audit-service=2`. */
import { SERVICE_NAMES, isServiceName, type ServiceName } from '@sallyport/service/identity';
import { UsageError } from '../exit.ts';

export type Replicas = Readonly<Record<ServiceName, number>>;

export const MAX_REPLICAS = 16;

/** One of each, but for what is given; later text wins. Throws `UsageError` that lists the choices. */
export function parseReplicas(
  given: readonly string[],
  from: Readonly<Partial<Record<ServiceName, number | undefined>>> = {},
): Replicas {
  const counts: Record<ServiceName, number> = {
    gateway: 1,
    'auth-service': 1,
    'key-service': 1,
    'policy-service': 1,
    'audit-service': 1,
  };
  for (const name of SERVICE_NAMES) counts[name] = from[name] ?? counts[name];
  for (const part of given.flatMap((text) => text.split(','))) {
    const [, name = '', count = ''] = /^([^=]*)=(.*)$/u.exec(part.trim()) ?? [];
    if (!isServiceName(name)) {
      throw new UsageError(
        `--replicas "${part}" must be service=count, e.g. gateway=2. The services are ${SERVICE_NAMES.join(', ')}.`,
      );
    }
    const number = Number(count);
    if (!/^\d{1,3}$/u.test(count) || number < 1 || number > MAX_REPLICAS) {
      throw new UsageError(`--replicas ${name}=${count}: the count must be 1 to ${MAX_REPLICAS}.`);
    }
    counts[name] = number;
  }
  return counts;
}
