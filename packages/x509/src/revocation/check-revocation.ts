/** The revocation pass over a path that RFC 5280 section 6.1 accepts: sections 6.1.3 (a)(3) and 6.3, and RFC 6960. */
import { nameText } from '../certificate/name-text.ts';
import type { Certificate } from '../certificate/types.ts';
import type { RevocationInput, RevocationMode } from '../input.ts';
import type { ValidatedPath } from '../path/types.ts';
import type { Failure } from '../reasons.ts';
import type { RevocationReport } from '../result.ts';
import { combine } from './combine.ts';
import { crlStatus } from './crl/status.ts';
import { ocspStatus } from './ocsp/status.ts';
import { startPass } from './pass.ts';
import {
  targetAt,
  type Finding,
  type Pass,
  type RevocationContext,
  type RevocationOutcome,
} from './types.ts';

/**
 * Looks at each certificate of the path, from the anchor downwards, as far as `input` asks, and ends at the first that is
 * refused: what is below it is `not_checked`. Throws `WorkLimitExceeded` for the caller of `validate`, and nothing else.
 */
export function checkRevocation(
  path: ValidatedPath,
  input: RevocationInput,
  context: RevocationContext,
): RevocationOutcome {
  const reports = path.certificates.map((_, certificate) => notChecked(certificate));
  if (input.mode === 'none') return { failure: undefined, reports };
  const pass = startPass(input, context);
  const top = input.scope === 'leaf' ? 0 : path.certificates.length - 1;
  for (let index = top; index >= 0; index -= 1) {
    const { certificate, finding } = statusAt(path, index, pass);
    reports[index] = { certificate: index, ...finding };
    const failure = failureOf(certificate, index, finding, input);
    if (failure !== undefined) return { failure, reports };
  }
  return { failure: undefined, reports };
}

function notChecked(certificate: number): RevocationReport {
  return { certificate, status: 'not_checked', sources: [], unused: [] };
}

function statusAt(
  path: ValidatedPath,
  index: number,
  pass: Pass,
): { readonly certificate: Certificate; readonly finding: Finding } {
  const target = targetAt(path, index);
  const { mode } = pass.input;
  const ocsp = mode === 'crl' ? undefined : ocspStatus(target, pass);
  const crl = mode === 'ocsp' ? undefined : crlStatus(target, pass);
  return { certificate: target.certificate, finding: combine(mode, ocsp, crl) };
}

const SECTIONS: Readonly<Record<Exclude<RevocationMode, 'none'>, string>> = {
  crl: 'RFC 5280 section 6.3.3',
  ocsp: 'RFC 6960 section 3.2',
  either: 'RFC 5280 section 6.1.3 (a)(3)',
  both: 'RFC 5280 section 6.1.3 (a)(3)',
};

function failureOf(
  { subject }: Certificate,
  certificate: number,
  finding: Finding,
  { mode, onUnknown, crls = [], ocsp = [] }: RevocationInput,
): Failure | undefined {
  if (finding.status === 'good' || mode === 'none') return undefined;
  if (finding.status === 'revoked') {
    const { revokedAtMs, revocationReason } = finding;
    const when = revokedAtMs === undefined ? '' : ` since ${new Date(revokedAtMs).toISOString()}`;
    const detail = `${nameText(subject)} is revoked${when} (${revocationReason ?? 'unspecified'})`;
    return { reason: 'revoked', section: 'RFC 5280 section 6.1.3 (a)(3)', detail, certificate };
  }
  if (onUnknown === 'soft') return undefined;
  const problems = finding.unused.slice(0, 3).map(({ problem }) => problem);
  const none = crls.length + ocsp.length === 0 ? 'no evidence is at hand' : 'no evidence at hand is about it';
  const why = problems.length === 0 ? none : problems.join('; ');
  const detail = `whether ${nameText(subject)} is revoked is not known: ${why}`;
  return { reason: 'revocation_unknown', section: SECTIONS[mode], detail, certificate };
}
