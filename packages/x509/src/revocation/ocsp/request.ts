/** Writes OCSP requests (RFC 6960 section 4.1). */
import type { Certificate, SubjectPublicKeyInfo } from '../../certificate/types.ts';
import {
  writeExplicit,
  writeInteger,
  writeNull,
  writeOctetString,
  writeOid,
  writeSequence,
} from '../../der/writer.ts';
import { CERT_ID_HASHES, digest, type CertIdHash } from './hashes.ts';
import { NONCE_EXTENSION } from './oids.ts';

/** RFC 9654 section 2.1. */
export const MAX_NONCE_BYTES = 128;

export interface OcspRequestOptions {
  readonly certificate: Certificate;
  /** Who issued it: a certificate or a trust anchor. */
  readonly issuer: { readonly subjectPublicKeyInfo: SubjectPublicKeyInfo };
  /** 1 to 128 octets from a random source (RFC 9654 section 2.1: 32 are recommended). Without it none is sent. */
  readonly nonce?: Uint8Array;
  /** Default `sha1`, the only one that RFC 5019 lets every responder know. */
  readonly hash?: CertIdHash;
}

/** The DER of an unsigned request for one certificate. Throws a RangeError for a nonce of another length. */
export function encodeOcspRequest(options: OcspRequestOptions): Uint8Array {
  const { certificate, issuer, nonce, hash = 'sha1' } = options;
  const certId = writeSequence(
    writeSequence(writeOid(CERT_ID_HASHES[hash]), writeNull()),
    writeOctetString(digest(hash, certificate.issuer.der)),
    writeOctetString(digest(hash, issuer.subjectPublicKeyInfo.bits)),
    writeInteger(certificate.serialNumber),
  );
  const requestList = writeSequence(writeSequence(certId));
  if (nonce === undefined) return writeSequence(writeSequence(requestList));
  if (nonce.length < 1 || nonce.length > MAX_NONCE_BYTES)
    throw new RangeError(`a nonce has 1 to ${MAX_NONCE_BYTES} octets`);
  const extension = writeSequence(writeOid(NONCE_EXTENSION), writeOctetString(writeOctetString(nonce)));
  return writeSequence(writeSequence(requestList, writeExplicit(2, writeSequence(extension))));
}
