/** What can go wrong, one thing at a time or several: each fault ends by itself, or is ended by the run at its close. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceName } from '@sallyport/service/identity';
import type { CutDirection } from '@sallyport/service/local-servers';
import type { World } from './world.ts';

export type Fault = {
  readonly name: string;
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** Resolves when it is over and what it broke has been mended; the world may still be recovering. */
  run(world: World, between: (low: number, high: number) => number): Promise<void>;
};

type Server = 'redis' | 'nats' | 'postgres';

const SERVICES: readonly ServiceName[] = [
  'gateway',
  'auth-service',
  'key-service',
  'policy-service',
  'audit-service',
];
const DIRECTIONS: readonly CutDirection[] = ['both', 'to-server', 'to-client'];
const SERVERS: readonly Server[] = ['redis', 'nats', 'postgres'];

export const FAULTS: readonly Fault[] = [
  ...SERVICES.flatMap((service): Fault[] => [
    { name: `kill ${service}`, weight: service === 'gateway' ? 6 : 2, run: killOne(service) },
    { name: `pause ${service}`, weight: service === 'gateway' ? 2 : 1, run: pauseOne(service) },
  ]),
  ...SERVERS.flatMap((server): Fault[] => [
    { name: `kill ${server}`, weight: 2, run: (world) => killServer(world, server) },
    { name: `pause ${server}`, weight: 1, run: (world, between) => pauseServer(world, server, between) },
    ...DIRECTIONS.map((direction): Fault => ({
      name: `cut ${server} ${direction}`,
      weight: 1,
      run: (world, between) => cut(world, server, direction, between),
    })),
    { name: `reset ${server}`, weight: 1, run: async ({ network }) => network[server].reset() },
    { name: `slow ${server}`, weight: 1, run: (world, between) => slow(world, server, between) },
  ]),
  { name: 'empty redis', weight: 2, run: ({ redis }) => redis.restart({ empty: true }) },
  { name: 'empty nats', weight: 1, run: ({ nats }) => nats.restart({ empty: true }) },
  {
    name: 'fail redis over to a lagging replica',
    weight: 3,
    run: ({ redis }, between) => redis.failOver(between(100, 3_000)),
  },
  {
    name: 'slow destinations',
    weight: 1,
    async run({ orders, ledger }, between) {
      orders.delayMs = ledger.delayMs = between(50, 1_500);
      await sleep(between(2_000, 6_000));
      orders.delayMs = ledger.delayMs = 0;
    },
  },
];

/** One of the present processes of a service; undefined while none runs. */
async function onePid(
  { system }: World,
  service: ServiceName,
  between: (low: number, high: number) => number,
): Promise<number | undefined> {
  const { processes } = await system.endpoints();
  const pids = processes.flatMap(({ name, pid }) => (name === service && pid !== null ? [pid] : []));
  return pids[between(0, Math.max(1, pids.length))];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it is gone already
  }
}

function killOne(service: ServiceName): Fault['run'] {
  return async (world, between) => {
    const pid = await onePid(world, service, between);
    if (pid !== undefined) signal(pid, 'SIGKILL');
  };
}

function pauseOne(service: ServiceName): Fault['run'] {
  return async (world, between) => {
    const pid = await onePid(world, service, between);
    if (pid === undefined) return;
    signal(pid, 'SIGSTOP');
    try {
      await sleep(between(500, 15_000));
    } finally {
      signal(pid, 'SIGCONT');
    }
  };
}

const serverOf = (world: World, server: Server) =>
  server === 'redis' ? world.redis.server() : world[server];

async function killServer(world: World, name: Server): Promise<void> {
  const server = serverOf(world, name);
  server.signal('SIGKILL');
  await server.exited;
  await (name === 'redis' ? world.redis : server).restart();
}

async function pauseServer(
  world: World,
  name: Server,
  between: (low: number, high: number) => number,
): Promise<void> {
  const server = serverOf(world, name);
  server.signal('SIGSTOP');
  try {
    await sleep(between(500, 8_000));
  } finally {
    server.signal('SIGCONT');
  }
}

async function cut(
  { network }: World,
  server: Server,
  direction: CutDirection,
  between: (low: number, high: number) => number,
): Promise<void> {
  network[server].cut(direction);
  try {
    await sleep(between(500, 8_000));
  } finally {
    network[server].heal();
  }
}

async function slow(
  { network }: World,
  server: Server,
  between: (low: number, high: number) => number,
): Promise<void> {
  network[server].delay(between(5, 150));
  try {
    await sleep(between(1_000, 8_000));
  } finally {
    network[server].delay(0);
  }
}
