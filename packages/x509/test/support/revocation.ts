/** A small hierarchy whose certificates are asked for their status: root, CA, leaf, and what CRLs and OCSP say of them. */
import type { RevocationInput } from '../../src/input.ts';
import type { RevocationReport, ValidationResult } from '../../src/result.ts';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import type { CertificateList } from '../../src/revocation/crl/types.ts';
import { parseOcspResponse } from '../../src/revocation/ocsp/parse.ts';
import type { OcspResponse } from '../../src/revocation/ocsp/types.ts';
import {
  authorityKeyIdentifier,
  cRLDistributionPoints,
  certId,
  extension,
  issue,
  issuingDistributionPoint,
  makeCrl,
  makeOcspResponse,
  type CrlInput,
  type Issued,
  type OcspInput,
  type SingleInput,
} from './pki.ts';
import { run, type Case } from './validating.ts';

export const root = issue({ subject: 'root', ca: true });
export const ca = issue({ subject: 'ca', issuer: root, ca: true });
export const leaf = issue({ subject: 'leaf', issuer: ca });

export interface ListInput extends CrlInput {
  /** Default: the issuer's key identifier. `null`: none. */
  readonly keyIdentifier?: Uint8Array | null;
}

/** A list as its issuer would make it, number 10; any field may be another. */
export function listDer(issuer: Issued, { keyIdentifier, ...input }: ListInput = {}): Uint8Array {
  const id = keyIdentifier === null ? [] : [keyIdentifier ?? (input.signer ?? issuer.key).keyIdentifier];
  const isOld = input.version === null;
  return makeCrl({
    issuer: issuer.subject,
    signer: issuer.key,
    ...(isOld ? {} : { crlNumber: 10 }),
    ...input,
    extensions: [
      ...(isOld ? [] : id.map((octets) => authorityKeyIdentifier({ keyIdentifier: octets }))),
      ...(input.extensions ?? []),
    ],
  });
}

export function list(issuer: Issued, input: ListInput = {}): CertificateList {
  const parsed = parseCertificateList(listDer(issuer, input));
  if (!parsed.ok) throw new Error(`${parsed.failure.problem} at octet ${parsed.failure.offset}`);
  return parsed.value;
}

/** The row for a certificate, as `revoked` of a list wants it. */
export const serialOf = ({ certificate }: Issued): { readonly serial: bigint } => ({
  serial: BigInt(`0x${Buffer.from(certificate.serialNumber).toString('hex')}`),
});

/** Nothing revoked by the root: what the path needs so that only the leaf is in question. */
export const rootList = list(root);

export interface AnswerInput
  extends Omit<OcspInput, 'responses'>, Omit<SingleInput, 'certId' | 'extensions'> {
  readonly of?: Issued;
  readonly by?: Issued;
  readonly hash?: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly singleExtensions?: readonly Uint8Array[];
  readonly responses?: NonNullable<OcspInput['responses']>;
}

/** The CertID of a certificate and its issuer. */
export const idOf = (of: Issued, by: Issued, hash: AnswerInput['hash'] = 'sha1'): Uint8Array =>
  certId({ issuerName: by.subject, issuerSpki: by.key.spki, serial: of.certificate.serialNumber, hash });

/** An answer about the leaf, good and signed by its issuer itself; any field may be another. */
export function answerDer(input: AnswerInput = {}): Uint8Array {
  const { of = leaf, by = ca, hash, status, thisUpdate, nextUpdate, singleExtensions, ...rest } = input;
  const single: SingleInput = {
    certId: idOf(of, by, hash),
    ...(status === undefined ? {} : { status }),
    ...(thisUpdate === undefined ? {} : { thisUpdate }),
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    ...(singleExtensions === undefined ? {} : { extensions: singleExtensions }),
  };
  return makeOcspResponse({
    signer: by.key,
    responder: { name: by.subject },
    responses: [single],
    ...rest,
  });
}

export function answer(input: AnswerInput = {}): OcspResponse {
  return parsedAnswer(answerDer(input));
}

export function parsedAnswer(der: Uint8Array): OcspResponse {
  const parsed = parseOcspResponse(der);
  if (!parsed.ok) throw new Error(`${parsed.failure.problem} at octet ${parsed.failure.offset}`);
  return parsed.value;
}

export interface Question extends Partial<RevocationInput>, Pick<Case, 'at' | 'limits'> {
  readonly of?: Issued;
  readonly intermediates?: readonly Issued[];
}

/** Validates the leaf, or another, below the root. The root's empty list is always there. */
export function ask(question: Question): ValidationResult {
  const { of = leaf, intermediates = [], at, limits, crls = [], mode = 'crl', ...revocation } = question;
  return run({
    anchors: [root],
    intermediates: [ca, ...intermediates],
    leaf: of,
    ...(at === undefined ? {} : { at }),
    ...(limits === undefined ? {} : { limits }),
    revocation: { mode, crls: [rootList, ...crls], ...revocation },
  });
}

/** `good`, `revoked keyCompromise`, `unknown: why`, or another reason of refusal. */
export function verdict(question: Question): string {
  const result = ask(question);
  const { revocation } = result.valid ? result : (result.candidates[0] ?? { revocation: [] });
  const report = revocation[0];
  if (result.valid || report === undefined || report.status === 'not_checked')
    return result.valid ? (report?.status ?? 'no report') : result.failure.reason;
  return reportText(report);
}

export function reportText({ status, revocationReason, unused }: RevocationReport): string {
  if (status === 'revoked') return `revoked ${revocationReason}`;
  return status === 'unknown' ? `unknown: ${unused.map(withoutIssuer).join('; ')}` : status;
}

const withoutIssuer = ({ problem }: { readonly problem: string }): string =>
  problem.replace(/ \(CRL of .*\)$/u, '');

/** A row of a table: what, the question, and the `verdict` that is expected. */
export type Row = readonly [what: string, question: Question, expected: string];

/** A question about a certificate below `ca`, answered by lists of `ca`. */
export function about(of: Issued, ...inputs: readonly ListInput[]): Question {
  return { of, crls: inputs.map((input) => list(ca, input)) };
}

export const idp = (value: Parameters<typeof issuingDistributionPoint>[0]): ListInput => ({
  extensions: [issuingDistributionPoint(value)],
});

export const withPoints = (points: Parameters<typeof cRLDistributionPoints>[0]): Issued =>
  issue({ subject: 'leaf', issuer: ca, extensions: [cRLDistributionPoints(points)] });

export const unknownExtension = (critical: boolean): Uint8Array =>
  extension('1.3.6.1.4.1.55738.666.1', Uint8Array.of(5, 0), critical);

export const DAY_MS = 86_400_000;
export const before = (date: Date, ms: number): Date => new Date(date.getTime() - ms);
export const after = (date: Date, ms: number): Date => new Date(date.getTime() + ms);
