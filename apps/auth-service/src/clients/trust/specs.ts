/** The trust domains of a configuration. */
import { cachingFetcher, httpFetcher, type Fetcher } from '@sallyport/x509/fetch';
import type { CertificatesConfig } from '../../certificates-config.ts';
import type { TrustDomainSpec } from './live-trust.ts';

/** Below a gateway's patience with a handshake. */
const FETCH_TIMEOUT_MS = 2_000;

const NOTHING: CertificatesConfig = {
  intermediatesFile: undefined,
  requiredUsages: [],
  denyListFile: undefined,
  revocation: undefined,
  trustDomains: [],
};

/** The own trust domain first. */
export function trustDomainSpecs(
  own: { readonly name: string; readonly anchors: TrustDomainSpec['anchors'] },
  certificates: CertificatesConfig = NOTHING,
): readonly TrustDomainSpec[] {
  const { trustDomains, ...policy } = certificates;
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

/** One cache per set of hosts that may be private: what one domain may ask for, another may not be told. */
export function fetchers(
  now: () => number,
): (domain: Pick<TrustDomainSpec, 'policy'>) => Fetcher | undefined {
  return ({ policy: { revocation } }) =>
    revocation?.fetch === true
      ? cachingFetcher(
          httpFetcher({
            unsafeAllowPrivateHosts: revocation.unsafeAllowPrivateHosts,
            timeoutMs: FETCH_TIMEOUT_MS,
          }),
          { now },
        )
      : undefined;
}
