/** Decodes OCSP responses (RFC 6960 section 4.2.1). */
import { hash } from 'node:crypto';
import { decodeExtensions, type DecodeValue } from '../../certificate/extensions.ts';
import { decodeAlgorithmIdentifier, decodeName } from '../../certificate/name.ts';
import { parseCertificate } from '../../certificate/parse-certificate.ts';
import type { Certificate, Extension } from '../../certificate/types.ts';
import { readDer, type DerReader } from '../../der/reader.ts';
import { ENUMERATED, OCTET_STRING, SEQUENCE, contextConstructed, contextPrimitive } from '../../der/tags.ts';
import { DEFAULT_LIMITS, type Limits } from '../../limits.ts';
import type { Parsed } from '../../parsed.ts';
import { decodeRevocationReason } from '../reasons.ts';
import { BASIC_RESPONSE, NONCE_EXTENSION } from './oids.ts';
import { MAX_NONCE_BYTES } from './request.ts';
import type {
  BasicOcspResponse,
  CertId,
  CertStatus,
  FailedOcspResponse,
  OcspResponse,
  ResponderId,
  SingleResponse,
} from './types.ts';

/** By number; 4 is not used. */
const STATUSES: readonly ('successful' | FailedOcspResponse['responseStatus'] | undefined)[] = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  undefined,
  'sigRequired',
  'unauthorized',
];

/** `certificateBytes` is for those that a responder sends along. */
type OcspLimits = Pick<Limits, 'ocspBytes' | 'certificateBytes'>;

/** `der` is copied; a failure says at which octet. Nothing is said about signature, times or responder. */
export function parseOcspResponse(
  der: Uint8Array,
  limits: OcspLimits = DEFAULT_LIMITS,
): Parsed<OcspResponse> {
  return readDer(der, limits.ocspBytes, (reader) => decodeResponse(reader, limits));
}

function decodeResponse(reader: DerReader, limits: OcspLimits): OcspResponse {
  const outer = reader.open(SEQUENCE);
  const offset = reader.offset;
  const responseStatus =
    STATUSES[reader.unsigned(ENUMERATED)] ?? reader.fail('no status has this number', offset);
  if (responseStatus !== 'successful') {
    reader.close(outer); // section 4.2.1: responseBytes are not set
    return { responseStatus };
  }
  const bytes = reader.open(contextConstructed(0));
  const inner = reader.open(SEQUENCE);
  const type = reader.offset;
  if (reader.oid() !== BASIC_RESPONSE) reader.fail('not a basic OCSP response', type);
  const octets = reader.open(OCTET_STRING);
  const response = decodeBasicResponse(reader, limits);
  for (const end of [octets, inner, bytes, outer]) reader.close(end);
  return response;
}

function decodeBasicResponse(reader: DerReader, limits: OcspLimits): BasicOcspResponse {
  const outer = reader.open(SEQUENCE);
  const start = reader.offset;
  const data = decodeResponseData(reader);
  const tbs = reader.bytes.subarray(start, reader.offset);
  const signatureAlgorithm = decodeAlgorithmIdentifier(reader);
  const signatureValue = reader.bitString();
  const certificates = reader.hasMore ? decodeCertificates(reader, limits) : [];
  reader.close(outer);
  const fingerprint = hash('sha256', reader.bytes);
  return {
    responseStatus: 'successful',
    der: reader.bytes,
    fingerprint,
    tbs,
    ...data,
    signatureAlgorithm,
    signatureValue,
    certificates,
  };
}

/** Nobody vouches for what is sent along: a certificate that is malformed is as good as none. */
function decodeCertificates(reader: DerReader, limits: OcspLimits): Certificate[] {
  const outer = reader.open(contextConstructed(0));
  const list = reader.open(SEQUENCE);
  const certificates: Certificate[] = [];
  while (reader.hasMore) {
    const parsed = parseCertificate(reader.element(), limits);
    if (parsed.ok) certificates.push(parsed.value);
  }
  reader.close(list);
  reader.close(outer);
  return certificates;
}

type ResponseData = Pick<
  BasicOcspResponse,
  'responderId' | 'producedAtMs' | 'responses' | 'extensions' | 'nonce'
>;

function decodeResponseData(reader: DerReader): ResponseData {
  const outer = reader.open(SEQUENCE);
  skipVersion(reader);
  const responderId = decodeResponderId(reader);
  const producedAtMs = reader.generalizedTime();
  const list = reader.open(SEQUENCE);
  const responses: SingleResponse[] = [];
  while (reader.hasMore) responses.push(decodeSingleResponse(reader));
  reader.close(list);
  let nonce: Uint8Array | undefined;
  const extensions = decodeOptionalExtensions(reader, (oid) => {
    if (oid !== NONCE_EXTENSION) return false;
    nonce = decodeNonce(reader);
    return true;
  });
  reader.close(outer);
  return { responderId, producedAtMs, responses, extensions, nonce };
}

/** `[0] EXPLICIT Version DEFAULT v1`, and there is no other. */
function skipVersion(reader: DerReader): void {
  if (!reader.isNext(contextConstructed(0))) return;
  const outer = reader.open(contextConstructed(0));
  const offset = reader.offset;
  if (reader.unsigned() !== 0) reader.fail('a version that no response has', offset);
  reader.close(outer);
}

function decodeResponderId(reader: DerReader): ResponderId {
  const isName = reader.isNext(contextConstructed(1));
  const outer = reader.open(contextConstructed(isName ? 1 : 2));
  const responder: ResponderId = isName
    ? { kind: 'name', name: decodeName(reader) }
    : { kind: 'key', keyHash: reader.octets(OCTET_STRING) };
  reader.close(outer);
  return responder;
}

function decodeSingleResponse(reader: DerReader): SingleResponse {
  const outer = reader.open(SEQUENCE);
  const certId = decodeCertId(reader);
  const status = decodeStatus(reader);
  const thisUpdateMs = reader.generalizedTime();
  let nextUpdateMs: number | undefined;
  if (reader.isNext(contextConstructed(0))) {
    const inner = reader.open(contextConstructed(0));
    nextUpdateMs = reader.generalizedTime();
    reader.close(inner);
  }
  const extensions = decodeOptionalExtensions(reader, () => false);
  reader.close(outer);
  return { certId, status, thisUpdateMs, nextUpdateMs, extensions };
}

function decodeCertId(reader: DerReader): CertId {
  const outer = reader.open(SEQUENCE);
  const hashAlgorithm = decodeAlgorithmIdentifier(reader).oid;
  const issuerNameHash = reader.octets(OCTET_STRING);
  const issuerKeyHash = reader.octets(OCTET_STRING);
  const serialNumber = reader.integer();
  reader.close(outer);
  return { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber };
}

/** Three alternatives, all of them IMPLICIT: the tag takes the place of NULL and SEQUENCE. */
function decodeStatus(reader: DerReader): CertStatus {
  if (reader.isNext(contextConstructed(1))) return decodeRevoked(reader);
  const isGood = reader.isNext(contextPrimitive(0));
  const offset = reader.offset;
  if (reader.octets(contextPrimitive(isGood ? 0 : 2)).length > 0) reader.fail('a NULL with octets', offset);
  return { kind: isGood ? 'good' : 'unknown' };
}

function decodeRevoked(reader: DerReader): CertStatus {
  const outer = reader.open(contextConstructed(1));
  const atMs = reader.generalizedTime();
  if (!reader.hasMore) {
    reader.close(outer);
    return { kind: 'revoked', atMs, reason: 'unspecified' };
  }
  const inner = reader.open(contextConstructed(0));
  const reason = decodeRevocationReason(reader);
  reader.close(inner);
  reader.close(outer);
  return { kind: 'revoked', atMs, reason };
}

/** `[1] EXPLICIT Extensions OPTIONAL`. */
function decodeOptionalExtensions(reader: DerReader, decodeValue: DecodeValue): readonly Extension[] {
  if (!reader.hasMore) return [];
  const outer = reader.open(contextConstructed(1));
  const extensions = decodeExtensions(reader, decodeValue);
  reader.close(outer);
  return extensions;
}

/** RFC 9654 section 2.1: OCTET STRING (SIZE (1..128)). */
function decodeNonce(reader: DerReader): Uint8Array {
  const offset = reader.offset;
  const nonce = reader.octets(OCTET_STRING);
  if (nonce.length < 1 || nonce.length > MAX_NONCE_BYTES) reader.fail('a nonce has 1 to 128 octets', offset);
  return nonce;
}
