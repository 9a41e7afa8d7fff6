/**
 * One line of a batch: a question as JSON, checked field by field. What is not known is an error, not passed over: a
 * misspelt `crls` would be a revocation that nobody looked for. Only `expected` and `comment` are the asker's own.
 */
import { PROFILES, type ExpectedName, type PolicyInput, type ProfileName } from '@sallyport/x509';
import type { Question } from './question.ts';

/** What a case is called; `null` where the line does not say it. */
export type CaseId = string | number | null;

export type Case =
  | { readonly ok: true; readonly id: CaseId; readonly question: Question }
  | { readonly ok: false; readonly id: CaseId; readonly problem: string };

class FieldError extends Error {}

type Fields = Readonly<Record<string, unknown>>;

const FIELDS = [
  'id',
  'anchors',
  'intermediates',
  'leaf',
  'time',
  'purpose',
  'eku',
  'names',
  'crls',
  'ocsp',
  'revocation',
  'policies',
  'maxDepth',
  'profile',
  'expected',
  'comment',
];
const PURPOSES = ['client', 'server', 'any'] as const;
const NAME_KINDS = ['dns', 'ip', 'email', 'uri'] as const;
const MODES = ['none', 'crl', 'ocsp', 'either', 'both'] as const;
export const PROFILE_NAMES = Object.keys(PROFILES) as ProfileName[];

/** Never throws. */
export function parseCase(line: Uint8Array): Case {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch (error) {
    return { ok: false, id: null, problem: `not JSON: ${(error as Error).message}` };
  }
  if (!isObject(value)) return { ok: false, id: null, problem: 'not a JSON object' };
  const id = idOf(value);
  try {
    return { ok: true, id, question: questionOf(value) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { ok: false, id, problem: error.message };
  }
}

/** Of a line that nobody could answer. */
export function idOfLine(line: Uint8Array): CaseId {
  try {
    const value: unknown = JSON.parse(Buffer.from(line).toString());
    return isObject(value) ? idOf(value) : null;
  } catch {
    return null;
  }
}

const idOf = ({ id }: Fields): CaseId => (typeof id === 'string' || isExact(id) ? id : null);

/** A number that is answered as it was asked: JSON knows larger ones than JavaScript. */
const isExact = (id: unknown): id is number =>
  typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER;

function questionOf(given: Fields): Question {
  onlyKnown(given, FIELDS, '');
  const fields = withoutNulls(given);
  if (fields['id'] !== undefined && idOf(fields) === null) wrong('id', 'text, or a number up to 2^53');
  const leaf = text(fields, 'leaf');
  if (leaf === undefined) return wrong('leaf', 'a certificate as PEM');
  return {
    anchors: texts(fields, 'anchors') ?? wrong('anchors', 'a list of certificates as PEM'),
    intermediates: texts(fields, 'intermediates') ?? [],
    leaf,
    at: parseInstant(text(fields, 'time') ?? '') ?? wrong('time', 'a time such as 2026-01-31T12:00:00Z'),
    profile: choice(fields, 'profile', PROFILE_NAMES) ?? 'rfc5280',
    clockSkewMs: 0, // the time is said, not read from a clock
    crls: texts(fields, 'crls') ?? [],
    ocsp: texts(fields, 'ocsp') ?? [],
    ...optional('purpose', choice(fields, 'purpose', PURPOSES)),
    ...optional('extendedKeyUsage', oids(fields, 'eku')),
    ...optional('names', namesOf(fields)),
    ...optional('policies', policiesOf(fields)),
    ...optional('maxIntermediates', depthOf(fields)),
    ...optional('revocation', choice(fields, 'revocation', MODES)),
  };
}

function namesOf({ names }: Fields): ExpectedName[] | undefined {
  if (names === undefined) return undefined;
  if (!Array.isArray(names)) return wrong('names', 'a list');
  return names.map((name: unknown, index) => {
    const where = `names[${index}]`;
    if (!isObject(name)) return wrong(where, 'an object with kind and value');
    onlyKnown(name, ['kind', 'value'], `${where}.`);
    const { value } = name;
    if (typeof value !== 'string') return wrong(`${where}.value`, 'text');
    return {
      kind: choice(name, 'kind', NAME_KINDS, `${where}.`) ?? wrong(`${where}.kind`, NAME_KINDS.join(', ')),
      value,
    };
  });
}

function policiesOf({ policies }: Fields): PolicyInput | undefined {
  if (policies === undefined) return undefined;
  if (!isObject(policies)) return wrong('policies', 'an object');
  onlyKnown(policies, ['initial', 'requireExplicit', 'inhibitMapping', 'inhibitAny'], 'policies.');
  const fields = withoutNulls(policies);
  return {
    ...optional('initial', oids(fields, 'initial', 'policies.')),
    ...optional('requireExplicit', flag(fields, 'requireExplicit')),
    ...optional('inhibitMapping', flag(fields, 'inhibitMapping')),
    ...optional('inhibitAny', flag(fields, 'inhibitAny')),
  };
}

function depthOf({ maxDepth }: Fields): number | undefined {
  if (maxDepth === undefined) return undefined;
  return typeof maxDepth === 'number' && Number.isSafeInteger(maxDepth) && maxDepth >= 0
    ? maxDepth
    : wrong('maxDepth', 'a whole number from 0');
}

function flag(fields: Fields, key: string): boolean | undefined {
  const value = fields[key];
  return value === undefined || typeof value === 'boolean'
    ? value
    : wrong(`policies.${key}`, 'true or false');
}

function text(fields: Fields, key: string): string | undefined {
  const value = fields[key];
  return value === undefined || typeof value === 'string' ? value : wrong(key, 'text');
}

function texts(fields: Fields, key: string, parent = ''): string[] | undefined {
  const value = fields[key];
  if (value === undefined) return undefined;
  const isTexts = Array.isArray(value) && value.every((item) => typeof item === 'string');
  return isTexts ? value : wrong(`${parent}${key}`, 'a list of texts');
}

function oids(fields: Fields, key: string, parent = ''): string[] | undefined {
  const list = texts(fields, key, parent);
  const foreign = list?.find((oid) => !isOid(oid));
  return foreign === undefined
    ? list
    : wrong(`${parent}${key}`, `OIDs such as 1.3.6.1.5.5.7.3.1, not "${foreign.slice(0, 80)}"`);
}

/** Dotted decimal. Nobody's has a thousand characters, and a pattern would run out of stack on a million. */
export const isOid = (value: string): boolean =>
  value.length <= 1_000 && /^[012](\.(0|[1-9]\d{0,38}))+$/u.test(value);

function choice<Name extends string>(
  fields: Fields,
  key: string,
  names: readonly Name[],
  parent = '',
): Name | undefined {
  const value = fields[key];
  if (value === undefined) return undefined;
  return names.find((name) => name === value) ?? wrong(`${parent}${key}`, `one of ${names.join(', ')}`);
}

/** RFC 3339. Undefined for what is none, 30 February and second 60 included. */
export function parseInstant(value: string): Date | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/u.exec(value);
  if (parts === null || Number(parts[4]) > 23) return undefined;
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  const lastDay = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  const instant = new Date(value.toUpperCase());
  return day > lastDay || Number.isNaN(instant.getTime()) ? undefined : instant;
}

function onlyKnown(fields: Fields, known: readonly string[], parent: string): void {
  const unknown = Object.keys(fields).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new FieldError(`the field ${JSON.stringify(`${parent}${unknown}`)} is not known`);
}

/** Optional fields are often written as `null` where they are absent. */
function withoutNulls(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

function wrong(field: string, expected: string): never {
  throw new FieldError(`the field "${field}" must be ${expected}`);
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: Value });
}
