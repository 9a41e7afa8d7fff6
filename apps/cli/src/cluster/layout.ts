/** Where the processes of the cluster profile keep what is theirs, and where they listen. */
import { join } from 'node:path';
import { SERVICE_NAMES, type ServiceName } from '@sallyport/service/identity';
import { freePort } from '@sallyport/service/local-servers';
import type { Home, Ports } from '../state/home.ts';
import type { Replicas } from './replicas.ts';

/** One process of one service. */
export type Replica = {
  readonly service: ServiceName;
  /** From 1. */
  readonly number: number;
  /** `gateway-2`: its name in logs, its folder. */
  readonly name: string;
  readonly folder: string;
  readonly configFile: string;
  /** Of its gRPC server. */
  readonly port: number;
  /** Of `/healthz`, `/readyz` and `/metrics`. */
  readonly probesPort: number;
  /** Of auth-service's pages, where the gateways forward to. */
  readonly signInPort?: number;
};

export const HOST = '127.0.0.1';

const PORT_OF = {
  gateway: 'channel',
  'auth-service': 'auth',
  'key-service': 'key',
  'policy-service': 'policy',
  'audit-service': 'audit',
} as const satisfies Record<ServiceName, keyof Ports>;

/** The first replicas get the ports that the embedded profile has; the others, and most probes, free ones. */
export async function layOut(home: Home, replicas: Replicas): Promise<readonly Replica[]> {
  const taken = new Set<number>(Object.values(home.ports));
  const free = async (): Promise<number> => {
    let port = await freePort();
    while (taken.has(port)) port = await freePort();
    taken.add(port);
    return port;
  };
  const all: Replica[] = [];
  for (const service of SERVICE_NAMES) {
    for (let number = 1; number <= replicas[service]; number += 1) {
      const name = `${service}-${number}`;
      const folder = join(home.clusterFolder, name);
      const isFirst = number === 1;
      all.push({
        service,
        number,
        name,
        folder,
        configFile: join(folder, 'config.yaml'),
        port: isFirst ? home.ports[PORT_OF[service]] : await free(),
        probesPort: isFirst && service === 'gateway' ? home.ports.https : await free(),
        ...(service === 'auth-service' ? { signInPort: isFirst ? home.ports.signIn : await free() } : {}),
      });
    }
  }
  return all;
}

export const ofService = (replicas: readonly Replica[], service: ServiceName): readonly Replica[] =>
  replicas.filter((replica) => replica.service === service);

/** Every replica of a service, as configurations write it; `first` turns the list, so that work is shared. */
export function addressesOf(replicas: readonly Replica[], service: ServiceName, first = 1): string {
  return turned(
    ofService(replicas, service).map(({ port }) => port),
    first,
  );
}

/** As `addressesOf`, of auth-service's pages. */
export function signInAddresses(replicas: readonly Replica[], first: number): string {
  return turned(
    replicas.flatMap(({ signInPort }) => (signInPort === undefined ? [] : [signInPort])),
    first,
  );
}

function turned(ports: readonly number[], first: number): string {
  const at = (first - 1) % ports.length;
  return [...ports.slice(at), ...ports.slice(0, at)].map((port) => `${HOST}:${port}`).join(',');
}
