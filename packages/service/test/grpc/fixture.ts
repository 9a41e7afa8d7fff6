/** Real certificates, a real server and real clients for the tests of the gRPC edge. */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/clock/index.ts';
import {
  createDevelopmentCa,
  issue,
  principalSpiffeId,
  serviceSpiffeId,
  type DevelopmentCa,
  type Issued,
  type ServiceName,
  type Trust,
} from '../../src/identity/index.ts';
import {
  startGrpcServer,
  type GrpcServer,
  type GrpcServerOptions,
  type Verdict,
} from '../../src/grpc/index.ts';
import { memoryLog } from '../../src/testing/index.ts';

export const TRUST_DOMAIN = 'sallyport.test';
export const clock = systemClock();

export interface Authority {
  readonly ca: DevelopmentCa;
  readonly trust: Trust;
  service(name: ServiceName): Promise<Issued>;
  principal(id: string): Promise<Issued>;
}

export async function createAuthority(trustDomain = TRUST_DOMAIN): Promise<Authority> {
  const ca = await createDevelopmentCa({ trustDomain, clock });
  return {
    ca,
    trust: { caPem: ca.certPem, trustDomain },
    service: (name) =>
      issue({
        ca,
        clock,
        spiffeId: serviceSpiffeId(trustDomain, name),
        keyAlgorithm: 'P-256',
        usages: ['server', 'client'],
      }),
    principal: (id) =>
      issue({
        ca,
        clock,
        spiffeId: principalSpiffeId(trustDomain, id),
        keyAlgorithm: 'Ed25519',
        usages: ['client'],
      }),
  };
}

export const ALLOWED: Verdict = { allowed: true, reasons: ['test'], requires: [], revision: 7n };

export type ServerOverrides = Omit<Partial<GrpcServerOptions>, 'services'> &
  Pick<GrpcServerOptions, 'services'>;

/** A server as `key-service` that lets every principal do everything, unless told otherwise. */
export async function startServer(authority: Authority, overrides: ServerOverrides): Promise<GrpcServer> {
  return startGrpcServer({
    identity: await authority.service('key-service'),
    trust: authority.trust,
    port: 0,
    authorizePrincipal: async () => ALLOWED,
    onDecision: async () => {},
    clock,
    log: memoryLog(),
    ...overrides,
  });
}

/** Waits for something to become true; fails after `ms`. */
export async function until(done: () => boolean, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!done()) {
    if (performance.now() > end) throw new Error('did not happen in time');
    await delay(5);
  }
}
