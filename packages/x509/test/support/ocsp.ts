/** OCSP answers for tests (RFC 6960 section 4.2.1). */
import { createHash } from 'node:crypto';
import { DerReader } from '../../src/der/reader.ts';
import {
  ENUMERATED,
  SEQUENCE,
  contextPrimitive,
  generalizedTime,
  writeElement,
  writeExplicit,
  writeImplicit,
  writeInteger,
  writeNull,
  writeOctetString,
  writeOid,
  writeSequence,
} from './der.ts';
import { extension } from './extensions.ts';
import { keyIdentifierOf } from './keys.ts';
import { THIS_UPDATE, NEXT_UPDATE, signed, type SigningInput } from './signed.ts';

const HASHES = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const;

/** Of the certificate that is asked for and of its issuer. */
export interface CertIdInput {
  /** Whole Name and SubjectPublicKeyInfo of the issuer. */
  readonly issuerName: Uint8Array;
  readonly issuerSpki: Uint8Array;
  readonly serial: number | bigint | Uint8Array;
  readonly hash?: keyof typeof HASHES;
}

/** A CertID (section 4.1.1); `serial` as octets is the inside of the INTEGER, as `Certificate.serialNumber` has it. */
export function certId({ issuerName, issuerSpki, serial, hash = 'sha1' }: CertIdInput): Uint8Array {
  const digest = (octets: Uint8Array): Uint8Array => new Uint8Array(createHash(hash).update(octets).digest());
  return writeSequence(
    writeSequence(writeOid(HASHES[hash]), writeNull()),
    writeOctetString(digest(issuerName)),
    writeOctetString(digest(keyOctets(issuerSpki))),
    writeInteger(serial),
  );
}

function keyOctets(spki: Uint8Array): Uint8Array {
  const reader = new DerReader(spki);
  reader.open(SEQUENCE);
  reader.skip();
  return reader.bitString();
}

export type StatusInput = 'good' | 'unknown' | { readonly revokedAt: Date; readonly reason?: number };

export interface SingleInput {
  readonly certId: Uint8Array;
  readonly status?: StatusInput;
  readonly thisUpdate?: Date;
  /** `null`: absent. */
  readonly nextUpdate?: Date | null;
  readonly extensions?: readonly Uint8Array[];
}

export interface OcspInput extends SigningInput {
  /** Absent: 0, successful. Any other has no bytes. */
  readonly responseStatus?: number;
  /** A whole Name, or the responder's key by its SubjectPublicKeyInfo. */
  readonly responder?: { readonly name: Uint8Array } | { readonly spki: Uint8Array };
  readonly producedAt?: Date;
  readonly responses?: readonly (SingleInput | Uint8Array)[];
  readonly nonce?: Uint8Array;
  /** Behind the nonce. */
  readonly extensions?: readonly Uint8Array[];
  /** Whole certificates that are sent along. */
  readonly certificates?: readonly Uint8Array[];
  readonly mapFields?: (fields: readonly Uint8Array[]) => readonly Uint8Array[];
}

export function makeOcspResponse(input: OcspInput = {}): Uint8Array {
  const { responseStatus = 0, certificates = [] } = input;
  const status = writeInteger(responseStatus, ENUMERATED);
  if (responseStatus !== 0) return writeSequence(status);
  const extensions = [
    ...(input.nonce === undefined ? [] : [extension('1.3.6.1.5.5.7.48.1.2', writeOctetString(input.nonce))]),
    ...(input.extensions ?? []),
  ];
  const fields = [
    responderId(input.responder ?? { name: writeSequence() }),
    generalizedTime(input.producedAt ?? THIS_UPDATE),
    writeSequence(
      ...(input.responses ?? []).map((row) => (row instanceof Uint8Array ? row : singleResponse(row))),
    ),
    ...(extensions.length === 0 ? [] : [writeExplicit(1, writeSequence(...extensions))]),
  ];
  const sent = certificates.length === 0 ? [] : [writeExplicit(0, writeSequence(...certificates))];
  const basic = signed(input.mapFields?.(fields) ?? fields, input, ...sent);
  return writeSequence(
    status,
    writeExplicit(0, writeSequence(writeOid('1.3.6.1.5.5.7.48.1.1'), writeOctetString(basic))),
  );
}

function responderId(responder: NonNullable<OcspInput['responder']>): Uint8Array {
  return 'name' in responder
    ? writeExplicit(1, responder.name)
    : writeExplicit(2, writeOctetString(keyIdentifierOf(responder.spki)));
}

function singleResponse(row: SingleInput): Uint8Array {
  const { nextUpdate = NEXT_UPDATE, extensions = [] } = row;
  return writeSequence(
    row.certId,
    certStatus(row.status ?? 'good'),
    generalizedTime(row.thisUpdate ?? THIS_UPDATE),
    ...(nextUpdate === null ? [] : [writeExplicit(0, generalizedTime(nextUpdate))]),
    ...(extensions.length === 0 ? [] : [writeExplicit(1, writeSequence(...extensions))]),
  );
}

function certStatus(status: StatusInput): Uint8Array {
  if (status === 'good') return writeElement(contextPrimitive(0));
  if (status === 'unknown') return writeElement(contextPrimitive(2));
  const reason =
    status.reason === undefined ? [] : [writeExplicit(0, writeInteger(status.reason, ENUMERATED))];
  return writeImplicit(1, writeElement(SEQUENCE, generalizedTime(status.revokedAt), ...reason));
}
