/** The trust domains of a configuration. */
import { cachingFetcher, httpFetcher, type Fetcher } from '@sallyport/x509/fetch';
import type { CertificatesConfig } from '../../certificates-config.ts';
import type { TrustDomainSpec } from './live-trust.ts';

/** Below a gateway's patience with a handshake. */
const FETCH_TIMEOUT_MS = 2_000;

/** A good answer is believed for so long at most, whatever it says of itself. */
const KEPT_MS = 3_600_000;
/** Octets of answers that are kept, of all trust domains; but each has room for one large list. */
const KEPT_BYTES = 256 * 1024 * 1024;
const MIN_KEPT_BYTES = 24 * 1024 * 1024;
/** Questions under way of one trust domain, and who waits for them. */
const MAX_IN_FLIGHT = 128;
const MAX_WAITING = 1_024;

const NOTHING: CertificatesConfig = {
  intermediatesFile: undefined,
  requiredUsages: [],
  denyListFile: undefined,
  revocation: undefined,
  trustDomains: [],
};

/** The own trust domain first. Throws `TypeError` for another one of its name. */
export function trustDomainSpecs(
  own: { readonly name: string; readonly anchors: TrustDomainSpec['anchors'] },
  certificates: CertificatesConfig = NOTHING,
): readonly TrustDomainSpec[] {
  const { trustDomains, ...policy } = certificates;
  if (trustDomains.some(({ name }) => name === own.name))
    throw new TypeError(`certificates.trustDomains: ${own.name} is the name of the own trust domain`);
  return [
    { ...own, policy, rules: undefined, profile: 'mcp-client' },
    ...trustDomains.map(({ name, anchorsFile, identities, profile, ...rest }): TrustDomainSpec => ({
      name,
      anchors: { file: anchorsFile },
      rules: identities,
      profile,
      policy: rest,
    })),
  ];
}

/**
 * One cache for each trust domain: what one may ask for, another may not be told, and none can crowd out another's answers
 * or take its places.
 */
export function fetchers(
  specs: readonly Pick<TrustDomainSpec, 'policy'>[],
  now: () => number,
): (domain: Pick<TrustDomainSpec, 'policy'>) => Fetcher | undefined {
  const asking = specs.filter(({ policy }) => policy.revocation?.fetch === true).length;
  const maxBytes = Math.max(MIN_KEPT_BYTES, Math.trunc(KEPT_BYTES / asking));
  return ({ policy: { revocation } }) =>
    revocation?.fetch === true
      ? cachingFetcher(
          httpFetcher({
            // As URLs have them.
            unsafeAllowPrivateHosts: revocation.unsafeAllowPrivateHosts.map((host) => host.toLowerCase()),
            timeoutMs: FETCH_TIMEOUT_MS,
          }),
          { now, maxBytes, maxAgeMs: KEPT_MS, maxInFlight: MAX_IN_FLIGHT, maxWaiting: MAX_WAITING },
        )
      : undefined;
}
