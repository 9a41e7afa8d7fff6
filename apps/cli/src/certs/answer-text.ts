/** The answer of `certs verify`, for people and as JSON. */
import { nameText, type RevocationReport, type TrustAnchor, type ValidationResult } from '@sallyport/x509';
import type { Answer, Question } from './question.ts';

type Refused = Extract<ValidationResult, { valid: false }>['candidates'][number];

export function answerJson({ result, leftOut }: Answer, { at }: Question): Record<string, unknown> {
  const shared = { valid: result.valid, at: at.toISOString(), leftOut };
  if (result.valid) {
    return {
      ...shared,
      path: subjects(result.path, result.anchor),
      fingerprints: result.path.map(({ fingerprint }) => fingerprint),
      policies: result.policies,
      revocation: result.revocation.map(reportJson),
      validUntil: new Date(result.notAfterMs).toISOString(),
      work: result.work,
    };
  }
  const { reason, section, detail, certificate } = result.failure;
  const candidates = 'candidates' in result ? result.candidates : [];
  return {
    ...shared,
    ...{ reason, section, detail, certificate },
    candidates: candidates.map(({ path, anchor, failure, revocation }) => ({
      path: subjects(path, anchor),
      ...failure,
      revocation: revocation.map(reportJson),
    })),
    ...('work' in result ? { work: result.work } : {}),
  };
}

/** From the leaf to the anchor, which is there once also when it is the leaf. */
export function subjects(path: Refused['path'], anchor: TrustAnchor | undefined): string[] {
  const names = path.map(({ subject }) => shown(nameText(subject)));
  const isIncluded =
    anchor === undefined ||
    (anchor.certificate !== undefined && anchor.certificate.fingerprint === path.at(-1)?.fingerprint);
  return isIncluded ? names : [...names, shown(nameText(anchor.name))];
}

const shown = (name: string): string => (name === '' ? '(empty)' : name);
const timeText = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

function reportJson(report: RevocationReport): Record<string, unknown> {
  const { revokedAtMs, sources, ...rest } = report;
  return {
    ...rest,
    ...(revokedAtMs === undefined ? {} : { revokedAt: timeText(revokedAtMs) }),
    sources: sources.map(({ thisUpdateMs, nextUpdateMs, ageMs, ...source }) => ({
      ...source,
      thisUpdate: timeText(thisUpdateMs),
      ...(nextUpdateMs === undefined ? {} : { nextUpdate: timeText(nextUpdateMs) }),
      ageSeconds: Math.round(ageMs / 1000),
    })),
  };
}

const MAX_SHOWN_CANDIDATES = 5;

export function answerText({ result, leftOut }: Answer, { at }: Question): string {
  const notes = leftOut.map((problem) => `Left out: ${problem}.`);
  if (result.valid) {
    const { userConstrained } = result.policies;
    return [
      `Valid at ${timeText(at.getTime())}, until ${timeText(result.notAfterMs)} at most`,
      ...pathLines(subjects(result.path, result.anchor)),
      ...policyLines(userConstrained),
      ...result.revocation.flatMap((report) => revocationLines(report, result.path)),
      ...notes,
    ].join('\n');
  }
  const { reason, section, detail } = result.failure;
  const candidates = 'candidates' in result ? result.candidates : [];
  return [
    `Not valid at ${timeText(at.getTime())}: ${reason} (${section})`,
    `  ${detail}`,
    ...candidates
      .slice(0, MAX_SHOWN_CANDIDATES)
      .flatMap((candidate, index) =>
        candidateLines(candidate, candidates.length > 1 ? index + 1 : undefined),
      ),
    ...(candidates.length > MAX_SHOWN_CANDIDATES
      ? [`and ${candidates.length - MAX_SHOWN_CANDIDATES} more paths; --json has them`]
      : []),
    ...notes,
  ].join('\n');
}

function policyLines(policies: 'any' | readonly string[]): string[] {
  if (policies === 'any') return ['Policies: any'];
  return policies.length === 0 ? [] : [`Policies: ${policies.join(', ')}`];
}

function pathLines(names: readonly string[]): string[] {
  return names.map((name, index) => {
    const role = index === names.length - 1 ? 'anchor' : index === 0 ? 'leaf' : 'issuer';
    return `  ${role.padEnd(6)}  ${name}`;
  });
}

/** The failure of the only one has been said. */
function candidateLines(
  { path, anchor, failure, revocation }: Refused,
  number: number | undefined,
): string[] {
  const names = path.map(({ subject }) => shown(nameText(subject)));
  const top = anchor === undefined ? 'no anchor' : `anchor ${shown(nameText(anchor.name))}`;
  const at = failure.certificate === undefined ? '' : ` at ${names[failure.certificate] ?? 'the anchor'}`;
  return [
    `Path${number === undefined ? '' : ` ${number}`}: ${names.join(' < ')} < ${top}`,
    ...(number === undefined ? [] : [`  ${failure.reason}${at} (${failure.section}): ${failure.detail}`]),
    ...revocation.flatMap((report) => revocationLines(report, path).map((line) => `  ${line}`)),
  ];
}

function revocationLines(report: RevocationReport, path: Refused['path']): string[] {
  const of = path[report.certificate];
  const who = of === undefined ? `certificate ${report.certificate}` : shown(nameText(of.subject));
  const since = report.revokedAtMs === undefined ? '' : ` since ${timeText(report.revokedAtMs)}`;
  const why = report.revocationReason === undefined ? '' : ` (${report.revocationReason})`;
  if (report.status === 'not_checked' && report.unused.length === 0) return [];
  return [
    `Revocation of ${who}: ${report.status.replace('_', ' ')}${since}${why}`,
    ...report.sources.map(
      ({ kind, issuer, ageMs, nextUpdateMs, delta }) =>
        `  by ${kind === 'crl' ? `${delta === true ? 'delta ' : ''}CRL` : 'OCSP'} of ${issuer}, ${ageText(ageMs)} old` +
        (nextUpdateMs === undefined ? '' : `, next ${timeText(nextUpdateMs)}`),
    ),
    ...report.unused.map(({ kind, problem }) => `  ${kind === 'crl' ? 'CRL' : 'OCSP'} not used: ${problem}`),
  ];
}

function ageText(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (Math.abs(minutes) < 120) return `${minutes} min`;
  return minutes < 2_880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1_440)} d`;
}
