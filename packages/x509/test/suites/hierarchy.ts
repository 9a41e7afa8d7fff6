/**
 * Hierarchies for the cases of public suites: a root, intermediates and leafs that are in order by default, each field of
 * which a case may replace or leave out (`null`).
 */
import type { KeyUsage } from '../../src/certificate/types.ts';
import {
  OID,
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  general,
  issue,
  keyUsage,
  makeKey,
  subjectAltName,
  subjectKeyIdentifier,
  type Issued,
  type IssueInput,
  type KeyKind,
  type NameInput,
  type TestKey,
} from '../support/pki.ts';

/** A whole Extension, or `null` for none. */
type Field = Uint8Array | null;

export interface Input extends Pick<
  IssueInput,
  'serial' | 'notBefore' | 'notAfter' | 'scheme' | 'version' | 'spki' | 'mapFields'
> {
  readonly subject?: NameInput;
  /** Another name than the issuer's subject. */
  readonly issuerName?: NameInput;
  readonly key?: TestKey | KeyKind;
  readonly basic?: Field;
  readonly pathLen?: number;
  readonly usage?: readonly KeyUsage[] | Field;
  readonly eku?: readonly string[] | Field;
  readonly san?: readonly Uint8Array[] | Field;
  readonly aki?: Field;
  readonly ski?: Field;
  readonly more?: readonly Uint8Array[];
  readonly only?: readonly Uint8Array[];
}

let count = 0;

/** A key of its own for each certificate that does not say otherwise. */
function keyOf(key: TestKey | KeyKind | undefined): TestKey {
  return typeof key === 'object' ? key : makeKey(key, `suite ${(count += 1)}`);
}

function extensionsOf(input: Input, key: TestKey, issuer: TestKey, defaults: Input): Uint8Array[] {
  const fields: Input = { ...defaults, ...input };
  const own = [
    fields.basic ?? null,
    listed(fields.usage, (usages) => keyUsage(...usages)),
    listed(fields.eku, extendedKeyUsage),
    listed(fields.san, subjectAltName),
    fields.ski === undefined ? subjectKeyIdentifier(key.keyIdentifier) : fields.ski,
    fields.aki === undefined ? authorityKeyIdentifier({ keyIdentifier: issuer.keyIdentifier }) : fields.aki,
  ];
  return [...own.filter((field) => field !== null), ...(fields.more ?? [])];
}

function listed<T>(
  field: readonly T[] | Field | undefined,
  write: (list: readonly T[]) => Uint8Array,
): Field {
  if (field === undefined || field === null) return null;
  return field instanceof Uint8Array ? field : write(field);
}

function make(input: Input, issuer: Issued | undefined, defaults: Input): Issued {
  const key = keyOf(input.key ?? defaults.key);
  const { issuerName, only } = input;
  const by: Issued | undefined = issuer && (issuerName === undefined ? issuer : renamed(issuer, issuerName));
  const {
    subject = defaults.subject ?? 'subject',
    serial,
    notBefore,
    notAfter,
    scheme,
    version,
    spki,
    mapFields,
  } = input;
  const plain = { serial, notBefore, notAfter, scheme, version, spki, mapFields };
  return issue({
    ...Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined)),
    subject,
    key,
    ...(by === undefined ? {} : { issuer: by }),
    onlyExtensions: only ?? extensionsOf(input, key, issuer?.key ?? key, defaults),
  });
}

function renamed(issuer: Issued, name: NameInput): Issued {
  return {
    ...issuer,
    certificate: issuer.certificate,
    subject: issue({ subject: name, key: issuer.key }).subject,
  };
}

const CA_USAGE: readonly KeyUsage[] = ['keyCertSign', 'cRLSign'];

/** Self-signed; without authorityKeyIdentifier, as most roots are. */
export function root(input: Input = {}): Issued {
  return make(input, undefined, {
    subject: 'suite root',
    basic: basicConstraints(true, input.pathLen),
    usage: CA_USAGE,
    aki: null,
  });
}

/** `subject` should be given where a path has several. */
export function intermediate(issuer: Issued, input: Input = {}): Issued {
  return make(input, issuer, {
    subject: 'suite intermediate',
    basic: basicConstraints(true, input.pathLen),
    usage: CA_USAGE,
  });
}

/** For the server `host.example`. */
export function leaf(issuer: Issued, input: Input = {}): Issued {
  return make(input, issuer, {
    subject: 'host.example',
    usage: ['digitalSignature'],
    eku: [OID.serverAuth],
    san: [general.dns('host.example')],
  });
}
