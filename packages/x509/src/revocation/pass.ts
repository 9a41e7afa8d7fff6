/** One revocation pass: evidence by issuer, and the status of whoever signed evidence. */
import { nameKey } from '../names/name-key.ts';
import type { RevocationInput } from '../input.ts';
import type { ValidatedPath } from '../path/types.ts';
import { combine } from './combine.ts';
import { crlStatus } from './crl/status.ts';
import type { CertificateList } from './crl/types.ts';
import { ocspStatus } from './ocsp/status.ts';
import { targetAt, type Finding, type Pass, type RevocationContext, type Target } from './types.ts';

const DEFAULT_CLOCK_SKEW_MS = 5 * 60 * 1_000;
/** Signers of evidence about signers of evidence. PKITS needs two; more is nobody's design. */
const MAX_SIGNERS = 4;

export function startPass(input: RevocationInput, context: RevocationContext): Pass {
  const byIssuer = listsByIssuer(input, context);
  const signers = new Signers();
  const pass: Pass = {
    input,
    context,
    latestMs: context.atMs + (input.clockSkewMs ?? DEFAULT_CLOCK_SKEW_MS),
    lists: (issuer) => byIssuer.get(issuer) ?? [],
    signerStatus: (path, asking) => signers.statusOfPath(path, asking, pass),
    requiresSignerStatus: input.onUnknown !== 'soft' && input.scope !== 'leaf',
  };
  return pass;
}

const indexes = new WeakMap<RevocationContext, ReadonlyMap<string, readonly CertificateList[]>>();

/** Once for a validation, which has one context for all of its paths. */
function listsByIssuer(
  { crls = [] }: RevocationInput,
  context: RevocationContext,
): ReadonlyMap<string, readonly CertificateList[]> {
  const known = indexes.get(context);
  if (known !== undefined) return known;
  const byIssuer = new Map<string, CertificateList[]>();
  for (const list of new Set(crls)) {
    context.work.spend('nameBytes', list.issuer.der.length);
    const issuer = nameKey(list.issuer);
    const same = byIssuer.get(issuer);
    if (same === undefined) byIssuer.set(issuer, [list]);
    else same.push(list);
  }
  indexes.set(context, byIssuer);
  return byIssuer;
}

type Status = Finding['status'];

/**
 * RFC 5280 section 6.3.3 (f) wants a valid path for who signs, and a path with a revoked certificate is none. Here that is
 * worked out certificate by certificate, each once; those that are being worked out do not count for each other, with one
 * exception that PKITS 4.14.30 asks for: an indirect list may be about its own signer. What is above the certificate that
 * is asked about was looked at before it; a signer below that certificate is no evidence for it, or a revoked CA could
 * certify a signer of lists in the name of its own issuer.
 */
class Signers {
  private readonly known = new Map<string, Status>();
  private readonly open: string[] = [];

  statusOfPath(path: ValidatedPath, asking: Target, pass: Pass): Status {
    let status: Status = 'good';
    for (let index = path.certificates.length - 1; index >= 0; index -= 1) {
      const target = targetAt(path, index);
      if (isAbove(target, asking) || (index === 0 && isSame(target, asking))) continue;
      const found = isSame(target, asking) ? 'unknown' : this.statusOf(target, pass);
      if (found === 'revoked') return found;
      if (found === 'unknown') status = found;
    }
    return status;
  }

  private statusOf(target: Target, pass: Pass): Status {
    const { fingerprint } = target.certificate;
    const known = this.known.get(fingerprint);
    if (known !== undefined) return known;
    if (this.open.includes(fingerprint) || this.open.length >= MAX_SIGNERS) return 'unknown';
    this.open.push(fingerprint);
    const { status } = combine('either', ocspStatus(target, pass), crlStatus(target, pass));
    this.open.pop();
    this.known.set(fingerprint, status);
    return status;
  }
}

function isAbove(target: Target, asking: Target): boolean {
  const { certificates } = asking.path;
  for (let index = asking.index + 1; index < certificates.length; index += 1)
    if (certificates[index]?.fingerprint === target.certificate.fingerprint) return true;
  return false;
}

function isSame(target: Target, asking: Target): boolean {
  return target.certificate.fingerprint === asking.certificate.fingerprint;
}
