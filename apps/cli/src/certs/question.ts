/** What is asked about a certificate, and its answer from `@sallyport/x509`. Both the command line and a batch ask so. */
import {
  anchorFrom,
  createValidator,
  parseCertificateCached,
  parseCertificateList,
  parseOcspResponse,
  type Cache,
  type Certificate,
  type ExpectedName,
  type Failure,
  type Parsed,
  type PolicyInput,
  type ProfileName,
  type Purpose,
  type RevocationMode,
  type ValidationInput,
  type ValidationResult,
} from '@sallyport/x509';
import { CERTIFICATE, CRL, OCSP_RESPONSE, readSource, type Source } from './source.ts';

export type Question = {
  /** Each may hold several. One that does not parse makes the question malformed: who is trusted is not guessed. */
  readonly anchors: readonly Source[];
  /** Each may hold several. One that does not parse cannot be part of a path: it is left out. */
  readonly intermediates: readonly Source[];
  /** The first certificate of it; others are intermediates, as in the files that servers have. */
  readonly leaf: Source;
  readonly at: Date;
  readonly profile: ProfileName;
  readonly purpose?: Purpose;
  readonly extendedKeyUsage?: readonly string[];
  readonly names?: readonly ExpectedName[];
  readonly policies?: PolicyInput;
  readonly maxIntermediates?: number;
  /** One that does not parse is no evidence: it is left out. */
  readonly crls: readonly Source[];
  readonly ocsp: readonly Source[];
  /** Default: what there is decides. Both is `either`, one of them that one, nothing `none`. */
  readonly revocation?: RevocationMode;
  readonly onUnknown?: 'hard' | 'soft';
  /** How far ahead of `at` evidence may be dated. Default: that of the library, for an `at` that a clock said. */
  readonly clockSkewMs?: number;
};

export type Answer = {
  /** A failure alone where anchors or leaf do not parse. */
  readonly result: ValidationResult | { readonly valid: false; readonly failure: Failure };
  /** What did not parse and was left out, and why. */
  readonly leftOut: readonly string[];
};

/**
 * How old an OCSP answer without nextUpdate may be (RFC 6960 section 3.2 (5) leaves it open). Evidence in files is not as
 * fresh as what was just fetched.
 */
const MAX_AGE_MS = 7 * 24 * 60 * 60 * 1_000;

/** Never throws because of what a source holds. */
export function answer(question: Question, cache: Cache): Answer {
  const leftOut: string[] = [];
  const parse = (der: Uint8Array): Parsed<Certificate> => parseCertificateCached(der, cache);
  const anchors: Certificate[] = [];
  for (const [index, source] of question.anchors.entries()) {
    const read = readValues(source, CERTIFICATE, parse);
    const [problem] = read.problems;
    if (problem !== undefined) return malformed(`anchor ${index + 1} ${problem}`);
    anchors.push(...read.values);
  }
  const chain = readValues(question.leaf, CERTIFICATE, parse);
  const [leaf, ...intermediates] = chain.values;
  if (leaf === undefined || chain.isFirstBroken) return malformed(`the leaf ${chain.problems[0] ?? ''}`);
  leftOut.push(...chain.problems.map((problem) => `the file of the leaf ${problem}`));
  intermediates.push(...readAll(question.intermediates, 'intermediate', CERTIFICATE, parse, leftOut));
  const crls = readAll(question.crls, 'CRL', CRL, parseCertificateList, leftOut);
  const ocsp = readAll(question.ocsp, 'OCSP answer', OCSP_RESPONSE, parseOcspResponse, leftOut);
  const { onUnknown = 'hard' } = question;
  const validator = createValidator({ anchors: anchors.map(anchorFrom), profile: question.profile, cache });
  const input: ValidationInput = {
    at: question.at,
    intermediates,
    ...defined('purpose', question.purpose),
    ...defined('extendedKeyUsage', question.extendedKeyUsage),
    ...defined('names', question.names),
    ...defined('policies', question.policies),
    ...defined('maxIntermediates', question.maxIntermediates),
    revocation: {
      mode: question.revocation ?? modeOf(question),
      ...{ onUnknown, crls, ocsp, maxAgeMs: MAX_AGE_MS },
      ...defined('clockSkewMs', question.clockSkewMs),
    },
  };
  return { result: validator.validate(leaf, input), leftOut };
}

/** By what was given, whether it parses or not: evidence that is broken is not the same as none. */
function modeOf({ crls, ocsp }: Question): RevocationMode {
  if (crls.length > 0) return ocsp.length > 0 ? 'either' : 'crl';
  return ocsp.length > 0 ? 'ocsp' : 'none';
}

type Values<T> = {
  readonly values: readonly T[];
  readonly problems: readonly string[];
  readonly isFirstBroken: boolean;
};

function readValues<T>(source: Source, label: string, parse: (der: Uint8Array) => Parsed<T>): Values<T> {
  const read = readSource(source, label);
  if (!read.ok) return { values: [], problems: [read.problem], isFirstBroken: true };
  const values: T[] = [];
  const problems: string[] = [];
  let isFirstBroken = false;
  for (const [index, { der }] of read.elements.entries()) {
    const parsed = parse(der);
    if (parsed.ok) values.push(parsed.value);
    else {
      const place = read.elements.length > 1 ? `, element ${index + 1},` : '';
      problems.push(`does not parse${place} at octet ${parsed.failure.offset}: ${parsed.failure.problem}`);
      isFirstBroken ||= index === 0;
    }
  }
  return { values, problems, isFirstBroken };
}

function readAll<T>(
  sources: readonly Source[],
  what: string,
  label: string,
  parse: (der: Uint8Array) => Parsed<T>,
  leftOut: string[],
): T[] {
  return sources.flatMap((source, index) => {
    const { values, problems } = readValues(source, label, parse);
    leftOut.push(...problems.map((problem) => `${what} ${index + 1} ${problem}`));
    return values;
  });
}

const malformed = (detail: string): Answer => ({
  result: { valid: false, failure: { reason: 'malformed', section: 'RFC 5280 section 4.1', detail } },
  leftOut: [],
});

/** A field that is absent is absent, not undefined. */
function defined<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: Value });
}
