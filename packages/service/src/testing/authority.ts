import type { Clock } from '../clock/index.ts';
import { systemClock } from '../clock/index.ts';
import {
  createDevelopmentCa,
  issue,
  type DevelopmentCa,
  type Issued,
  type Trust,
} from '../identity/index.ts';

/** A development CA and the identities it issued. */
export interface TestAuthority {
  readonly ca: DevelopmentCa;
  readonly trust: Trust;
  readonly clock: Clock;
  /** Of `svc/gateway`, `user/alice`, …: the same one at every call, a P-256 key for services, Ed25519 for principals. */
  identity(path: string): Promise<Issued>;
}

export async function createTestAuthority(trustDomain = 'sallyport.test'): Promise<TestAuthority> {
  const clock = systemClock();
  const ca = await createDevelopmentCa({ trustDomain, clock });
  const issued = new Map<string, Promise<Issued>>();
  return {
    ca,
    trust: { caPem: ca.certPem, trustDomain },
    clock,
    identity: (path) => {
      const known =
        issued.get(path) ??
        issue({
          ca,
          clock,
          spiffeId: `spiffe://${trustDomain}/${path}`,
          ...(path.startsWith('svc/')
            ? { keyAlgorithm: 'P-256', usages: ['server', 'client'] }
            : { keyAlgorithm: 'Ed25519', usages: ['client'] }),
        });
      issued.set(path, known);
      return known;
    },
  };
}
