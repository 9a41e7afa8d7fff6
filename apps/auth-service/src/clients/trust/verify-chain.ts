/**
 * Which trust domain vouches for a chain, and for whom. Paths are validated by @sallyport/x509 (RFC 5280 section 6, names,
 * usage, revocation); then come the deny-list and the rules that make a principal of a name.
 */
import { createPublicKey, hash } from 'node:crypto';
import {
  anchorFrom,
  createCache,
  createValidator,
  parseCertificate,
  type Cache,
  type Certificate,
  type Valid,
  type ValidationInput,
  type ValidationResult,
  type Validator,
} from '@sallyport/x509';
import { onlineValidator, type Fetcher } from '@sallyport/x509/fetch';
import { callerFrom } from '@sallyport/service/identity';
import type { VerifyChain } from '../../app/ports.ts';
import type { CertificatePolicy } from '../../certificates-config.ts';
import type { ChainCause } from '../../domain/handshake-cause.ts';
import { mapIdentity, type IdentityRule } from '../../domain/identity-rule.ts';
import { NAME_CAUSE, PATH_CAUSE } from './causes.ts';
import type { TrustMaterial } from './material.ts';
import { namesOf } from './names.ts';
import { followsOrder } from './order.ts';

/** RFC 5280 section 4.2.1.12. */
const USAGE = { client: '1.3.6.1.5.5.7.3.2', gateway: '1.3.6.1.5.5.7.3.1' } as const;
type Use = keyof typeof USAGE;
const MAX_CERTIFICATES = 4;

/** One trust domain as it is now. */
export interface TrustDomain {
  readonly name: string;
  readonly material: TrustMaterial;
  readonly policy: CertificatePolicy;
  /** Undefined: the deployment's own, whose SPIFFE names are principals and services by themselves. */
  readonly rules: readonly IdentityRule[] | undefined;
  readonly profile: 'mcp-client' | 'rfc5280';
}

export interface ChainVerifierParts {
  /** The own one first. */
  readonly domains: readonly TrustDomain[];
  /** For those that fetch; undefined: none does. */
  readonly fetcher: (domain: TrustDomain) => Fetcher | undefined;
  /** A path was accepted though the status of one of its certificates is not known. */
  readonly onUnknownStatus: (domain: string) => void;
}

type Verdict = Awaited<ReturnType<VerifyChain>>;

/** The chain is leaf first, in order, an anchor at its end allowed. */
export function chainVerifier({ domains, fetcher, onUnknownStatus }: ChainVerifierParts): VerifyChain {
  const cache = createCache();
  const judges = domains.map((domain) => judgeOf(domain, cache, fetcher(domain), onUnknownStatus));
  return async (chainDer, use, atMs) => {
    if (chainDer.length < 1 || chainDer.length > MAX_CERTIFICATES) return refused('chain_length');
    const sent: Certificate[] = [];
    for (const der of chainDer) {
      const parsed = parseCertificate(der);
      if (!parsed.ok) return refused('certificate_unreadable');
      sent.push(parsed.value);
    }
    const [leaf] = sent;
    if (leaf === undefined) return refused('chain_length');
    if (leaf.basicConstraints?.ca === true) return refused('certificate_is_ca');
    // None at all would mean any use (section 4.2.1.12).
    if (leaf.extendedKeyUsage?.includes(USAGE[use]) !== true) return refused('certificate_usage');
    let verdict: Verdict = refused('certificate_untrusted');
    for (const judge of judges) {
      const next = await judge(leaf, sent, use, atMs);
      if (next.ok) return next;
      // What the domain says whose anchor it is, not that the others do not know it.
      if (verdict.cause === 'certificate_untrusted') verdict = next;
    }
    return verdict;
  };
}

type Judge = (leaf: Certificate, sent: readonly Certificate[], use: Use, atMs: number) => Promise<Verdict>;

function judgeOf(
  domain: TrustDomain,
  cache: Cache,
  fetcher: Fetcher | undefined,
  onUnknownStatus: ChainVerifierParts['onUnknownStatus'],
): Judge {
  const { material, policy, rules } = domain;
  const shared = {
    anchors: material.anchors.map(anchorFrom),
    intermediates: material.intermediates,
    cache,
  };
  const validators = {
    client: createValidator({ ...shared, profile: domain.profile }),
    gateway: createValidator({ ...shared, profile: 'svid' }),
  };
  return async (leaf, sent, use, atMs) => {
    // Gateways are services of the own domain.
    if (use === 'gateway' && rules !== undefined) return refused('certificate_untrusted');
    const input: ValidationInput = {
      at: new Date(atMs),
      intermediates: sent.slice(1),
      extendedKeyUsage: [USAGE[use], ...(use === 'client' ? policy.requiredUsages : [])],
      maxIntermediates: MAX_CERTIFICATES - 1,
      revocation: {
        mode: policy.revocation?.mode ?? 'none',
        onUnknown: policy.revocation?.onUnknown ?? 'hard',
        crls: material.crls,
      },
    };
    const result = await validated(validators[use], leaf, input, fetcher);
    const named = identify(leaf, domain, use);
    if (!result.valid) {
      const { reason } = result.failure;
      // A profile asks for names too: what is wrong with them is the better word.
      return reason === 'profile' && !named.ok ? named : refused(PATH_CAUSE[reason]);
    }
    if (!followsOrder(sent, result)) return refused('certificate_issuer');
    if (isDenied(result, material)) return refused('certificate_denied');
    if (!named.ok) return named;
    if (result.revocation.some(({ status }) => status === 'unknown')) onUnknownStatus(domain.name);
    const { der } = leaf.subjectPublicKeyInfo;
    return {
      ok: true,
      publicKey: createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' }),
      spiffeId: named.spiffeId,
      principal: named.principal,
      notAfterMs: result.notAfterMs,
    };
  };
}

/** Asks for what is missing only where a path to an anchor stands: a stranger's certificate makes us ask nobody. */
async function validated(
  validator: Validator,
  leaf: Certificate,
  input: ValidationInput,
  fetcher: Fetcher | undefined,
): Promise<ValidationResult> {
  if (fetcher === undefined) return validator.validate(leaf, input);
  const online = onlineValidator({ validator, fetcher, fetchIssuers: false, maxRequests: 8 });
  return (await online.validate(leaf, input)).result;
}

type Identified =
  | { readonly ok: true; readonly spiffeId: string | undefined; readonly principal: string | undefined }
  | { readonly ok: false; readonly cause: ChainCause };

function identify(leaf: Certificate, { name, rules }: TrustDomain, use: Use): Identified {
  if (rules !== undefined) {
    const mapped = mapIdentity(rules, namesOf(leaf));
    return mapped.ok
      ? { ok: true, spiffeId: undefined, principal: mapped.principal }
      : refused('certificate_name');
  }
  const named = callerFrom(leaf, name);
  if (!named.ok) return refused(NAME_CAUSE[named.problem]);
  const { caller } = named;
  if ((use === 'client') !== (caller.kind === 'principal')) return refused('certificate_kind');
  return {
    ok: true,
    spiffeId: caller.spiffeId,
    principal: caller.kind === 'principal' ? caller.id : undefined,
  };
}

/** The anchor's own certificate and key are looked up too. */
function isDenied({ path, anchor }: Valid, { denied }: TrustMaterial): boolean {
  const certificates = [...path, ...(anchor.certificate === undefined ? [] : [anchor.certificate])];
  return certificates.some(
    ({ fingerprint, subjectPublicKeyInfo }) =>
      denied.certificates.has(fingerprint) || denied.keys.has(hash('sha256', subjectPublicKeyInfo.der)),
  );
}

function refused<C extends ChainCause>(cause: C) {
  return { ok: false, cause } as const;
}
