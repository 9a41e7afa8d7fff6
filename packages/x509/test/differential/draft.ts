/** A certificate before it is signed, so that anything about it can still be changed. */
import { DerReader } from '../../src/der/reader.ts';
import { BOOLEAN, OCTET_STRING, SEQUENCE } from '../support/der.ts';
import {
  NOT_AFTER,
  NOT_BEFORE,
  extension,
  makeCertificate,
  type CertificateInput,
  type NameInput,
  type TestKey,
} from '../support/pki.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** `signer`: a certificate that is there to sign CRLs. */
export type Role = 'anchor' | 'intermediate' | 'leaf' | 'signer';

export interface Draft extends Mutable<Omit<CertificateInput, 'extensions'>> {
  readonly role: Role;
  readonly label: string;
  subject: NameInput;
  issuer: NameInput;
  key: TestKey;
  signer: TestKey;
  serial: number | bigint | Uint8Array;
  extensions: Uint8Array[];
  /** Changes the whole, after it was signed. */
  mapWhole?: (der: Uint8Array) => Uint8Array;
}

export interface Entity {
  readonly label: string;
  readonly subject: NameInput;
  readonly key: TestKey;
}

export function draftOf(role: Role, of: Entity, by: Entity, serial: number, extensions: Uint8Array[]): Draft {
  return {
    role,
    label: of === by ? of.label : `${of.label} by ${by.label}`,
    subject: of.subject,
    issuer: by.subject,
    key: of.key,
    signer: by.key,
    serial,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    extensions,
  };
}

export function buildDraft(draft: Draft): Uint8Array {
  const der = makeCertificate(draft);
  return draft.mapWhole?.(der) ?? der;
}

interface ExtensionParts {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export function partsOf(der: Uint8Array): ExtensionParts {
  const reader = new DerReader(der);
  reader.open(SEQUENCE);
  const oid = reader.oid();
  const critical = reader.isNext(BOOLEAN) && reader.boolean();
  return { oid, critical, value: reader.octets(OCTET_STRING) };
}

export function withCritical(der: Uint8Array, critical: boolean): Uint8Array {
  const { oid, value } = partsOf(der);
  return extension(oid, value, critical);
}

export const indexOf = (draft: Draft, oid: string): number =>
  draft.extensions.findIndex((der) => partsOf(der).oid === oid);

/** In the place of the one that it has, or behind the others. */
export function setExtension(draft: Draft, der: Uint8Array): void {
  const at = indexOf(draft, partsOf(der).oid);
  if (at < 0) draft.extensions.push(der);
  else draft.extensions[at] = der;
}
