/** Every kind of certificate that may turn up at a server, good and bad. */
import '../../src/identity/metadata.ts';
import { webcrypto } from 'node:crypto';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { unsafeIssue, type UnsafeIssueOptions } from '../../src/identity/development-ca.ts';
import { SERVICE_NAMES } from '../../src/identity/index.ts';
import { TRUST_DOMAIN, clock, createAuthority, type Authority } from './fixture.ts';

export interface Certificate {
  readonly certPem: string;
  readonly keyPem: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const service = (name: string, trustDomain = TRUST_DOMAIN) => ({
  type: 'url' as const,
  value: `spiffe://${trustDomain}/svc/${name}`,
});

/** Name of each kind, and how it is made. The bad ones all claim to be the gateway. */
export function certificateKinds(
  authority: Authority,
): Readonly<Record<string, () => Promise<Certificate | undefined>>> {
  const leaf = (overrides: Partial<UnsafeIssueOptions>) => () =>
    unsafeIssue({
      ca: authority.ca,
      clock,
      subject: 'CN=gateway',
      names: [service('gateway')],
      keyAlgorithm: 'P-256',
      usages: ['client', 'server'],
      lifetimeDays: 90,
      ...overrides,
    });
  const at = (offsetMs: number) => ({ now: () => clock.now() + offsetMs });
  return {
    ...Object.fromEntries(SERVICE_NAMES.map((name) => [name, leaf({ names: [service(name)] })])),
    user: () => authority.principal('user:someone'),
    workload: () => authority.principal('workload:someone'),
    device: () => authority.principal('device:someone'),
    'user denied by policy': () => authority.principal('user:denied'),
    'unknown service': leaf({ names: [service('intruder')] }),
    'wrong trust domain': leaf({ names: [service('gateway', 'other.test')] }),
    'name below the trust domain only': leaf({ names: [{ type: 'url', value: `spiffe://${TRUST_DOMAIN}` }] }),
    'no URI name': leaf({ names: [{ type: 'dns', value: 'gateway' }] }),
    'no names': leaf({ names: [] }),
    'two URI names': leaf({ names: [service('gateway'), service('auth-service')] }),
    'URI name that is no SPIFFE id': leaf({
      names: [{ type: 'url', value: 'https://sallyport.test/svc/gateway' }],
    }),
    'no key usage': leaf({ withoutKeyUsage: true }),
    'server usage only': leaf({ usages: ['server'] }),
    expired: leaf({ clock: at(-100 * DAY_MS) }),
    'not valid yet': leaf({ clock: at(DAY_MS) }),
    'other authority': async () => (await createAuthority()).service('gateway'),
    'self-signed': selfSigned,
    'no certificate': async () => undefined,
  };
}

async function selfSigned(): Promise<Certificate> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=gateway',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new SubjectAlternativeNameExtension([service('gateway')])],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    certPem: certificate.toString('pem'),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`,
  };
}
