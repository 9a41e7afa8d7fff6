/**
 * Which trust domain vouches for a chain, and for whom. Paths are validated by @sallyport/x509 (RFC 5280 section 6, names,
 * usage, revocation); then come the deny-list and the rules that make a principal of a name.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  anchorFrom,
  createCache,
  createValidator,
  parseCertificate,
  type Cache,
  type Certificate,
  type Reason,
  type ValidationInput,
  type ValidationResult,
} from '@sallyport/x509';
import { onlineValidator, type Fetcher } from '@sallyport/x509/fetch';
import { unavailable } from '@sallyport/service/errors';
import { callerFrom } from '@sallyport/service/identity';
import type { VerifiedChain, VerifyChain } from '../../app/ports.ts';
import type { CertificatePolicy } from '../../certificates-config.ts';
import type { ChainCause } from '../../domain/handshake-cause.ts';
import { mapIdentity, type IdentityRule } from '../../domain/identity-rule.ts';
import { NAME_CAUSE, PATH_CAUSE } from './causes.ts';
import { isDenied } from './denied.ts';
import type { TrustMaterial } from './material.ts';
import { namesOf } from './names.ts';
import { followsOrder } from './order.ts';

/** RFC 5280 section 4.2.1.12. */
const USAGE = { client: '1.3.6.1.5.5.7.3.2', gateway: '1.3.6.1.5.5.7.3.1' } as const;
type Use = keyof typeof USAGE;
const MAX_CERTIFICATES = 4;
/** Of one handshake. A gateway waits for 4 s, and gives a handshake 5 s. */
const MAX_REQUESTS = 8;
const FETCHING_MS = 2_500;
/** What is found out last, of a path that stands: whose it is, is decided by then. */
const OF_STANDING_PATHS: ReadonlySet<Reason> = new Set<Reason>([
  'profile',
  'name_mismatch',
  'revoked',
  'revocation_unknown',
]);

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
  /** For those that fetch; undefined: it does not. */
  readonly fetcher: (domain: TrustDomain) => Fetcher | undefined;
  /** Default: one of its own. */
  readonly cache?: Cache;
  /** A path was accepted though the status of one of its certificates is not known. */
  readonly onUnknownStatus: (domain: string) => void;
}

interface Refused<Cause = ChainCause> {
  readonly ok: false;
  readonly cause: Cause;
}

/** What one trust domain says. Where its path stands it decides, and no other one is asked. */
type Judged<Cause> =
  | { readonly verdict: VerifiedChain | Refused<ChainCause | Cause>; readonly isOurs: true }
  | { readonly verdict: Refused<ChainCause>; readonly isOurs: false };

/** What is asked of a chain. */
interface Question<Cause> {
  readonly leaf: Certificate;
  readonly sent: readonly Certificate[];
  readonly use: Use;
  readonly atMs: number;
  readonly proofProblem: ((publicKey: KeyObject) => Cause | undefined) | undefined;
}

/** The chain is leaf first, in order, an anchor at its end allowed. */
export function chainVerifier(parts: ChainVerifierParts): VerifyChain {
  const { domains, fetcher, onUnknownStatus, cache = createCache() } = parts;
  const judges = domains.map((domain) => judgeOf(domain, cache, fetcher(domain), onUnknownStatus));
  return async (chainDer, use, atMs, proofProblem) => {
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
    let first: Refused<ChainCause> = refused('certificate_untrusted');
    for (const judge of judges) {
      const judged = await judge({ leaf, sent, use, atMs, proofProblem });
      if (judged.isOurs) return judged.verdict;
      // What the domain says whose anchor it is, not that the others do not know it.
      if (first.cause === 'certificate_untrusted') first = judged.verdict;
    }
    return first;
  };
}

type Judge = <Cause extends string>(question: Question<Cause>) => Promise<Judged<Cause>>;

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
  const revocation = {
    mode: policy.revocation?.mode ?? 'none',
    onUnknown: policy.revocation?.onUnknown ?? 'hard',
    crls: material.crls,
  } as const;

  function judged({ leaf, sent, use }: Question<string>, result: ValidationResult): Judged<never> {
    const named = identify(leaf, domain, use);
    if (!result.valid) {
      const { reason } = result.failure;
      // A profile asks for names too: what is wrong with them is the better word.
      const verdict = reason === 'profile' && !named.ok ? named : refused(PATH_CAUSE[reason]);
      return { verdict, isOurs: OF_STANDING_PATHS.has(reason) };
    }
    if (!followsOrder(sent, result)) return ours(refused('certificate_issuer'));
    if (isDenied(result, material.denied)) return ours(refused('certificate_denied'));
    if (!named.ok) return ours(named);
    const { spiffeId, principal } = named;
    return ours({ ok: true, publicKey: keyOf(leaf), spiffeId, principal, notAfterMs: result.notAfterMs });
  }

  function settled(question: Question<string>, result: ValidationResult): Judged<never> {
    const answer = judged(question, result);
    const isUnknown = result.valid && result.revocation.some(({ status }) => status === 'unknown');
    if (answer.verdict.ok && isUnknown) onUnknownStatus(domain.name);
    return answer;
  }

  return async (question) => {
    const { leaf, sent, use, atMs, proofProblem } = question;
    // Gateways are services of the own domain.
    if (use === 'gateway' && rules !== undefined)
      return { verdict: refused('certificate_untrusted'), isOurs: false };
    const input: ValidationInput = {
      at: new Date(atMs),
      intermediates: sent.slice(1),
      extendedKeyUsage: [USAGE[use], ...(use === 'client' ? policy.requiredUsages : [])],
      maxIntermediates: MAX_CERTIFICATES - 1,
      revocation,
    };
    const validator = validators[use];
    if (fetcher === undefined || revocation.mode === 'none')
      return settled(question, validator.validate(leaf, input));
    // Nobody is asked because of a stranger's certificate, of one that is refused in any case, or of another's.
    const offline = judged(question, validator.validate(leaf, { ...input, revocation: { mode: 'none' } }));
    if (!offline.verdict.ok) return offline;
    const problem = proofProblem?.(offline.verdict.publicKey);
    if (problem !== undefined) return { verdict: { ok: false, cause: problem }, isOurs: true };
    const limits = { fetchIssuers: false, maxRequests: MAX_REQUESTS, timeoutMs: FETCHING_MS };
    const { result, fetched } = await onlineValidator({ validator, fetcher, ...limits }).validate(
      leaf,
      input,
    );
    if (isOpen(result) && fetched.some((record) => record.problem === 'busy'))
      throw unavailable('too many handshakes wait for answers about revocation');
    return settled(question, result);
  };
}

/** Whether an answer that is missing decided, or would have. */
function isOpen(result: ValidationResult): boolean {
  if (!result.valid) return result.failure.reason === 'revocation_unknown';
  return result.revocation.some(({ status }) => status === 'unknown');
}

function keyOf({ subjectPublicKeyInfo: { der } }: Certificate): KeyObject {
  return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
}

function ours(verdict: VerifiedChain | Refused): Judged<never> {
  return { verdict, isOurs: true };
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

function refused<C extends ChainCause>(cause: C) {
  return { ok: false, cause } as const;
}
