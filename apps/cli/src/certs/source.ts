/** Where certificates, CRLs and OCSP answers come from: files and fields of a batch, as PEM, DER or base64 of DER. */
import { isDer, readPemBlocks } from '@sallyport/x509';

/** The octets of a file, DER or PEM; or text, PEM or base64 of DER. */
export type Source = string | Uint8Array;

export type Element = { readonly label: string; readonly der: Uint8Array };

export type Elements =
  | { readonly ok: true; readonly elements: readonly Element[] }
  | { readonly ok: false; readonly problem: string };

export const CERTIFICATE = 'CERTIFICATE';
export const CRL = 'X509 CRL';
export const OCSP_RESPONSE = 'OCSP RESPONSE';

/** What a source holds of one label, or of any; DER without PEM around it is taken to be of `label`, or of ''. */
export function readSource(source: Source, label?: string): Elements {
  const der = typeof source === 'string' ? fromBase64(source) : isDer(source) ? source : undefined;
  if (der !== undefined) return { ok: true, elements: [{ label: label ?? '', der }] };
  const blocks = readPemBlocks(source, label);
  return blocks.ok
    ? { ok: true, elements: blocks.value }
    : { ok: false, problem: `is not PEM: ${blocks.failure.problem} at octet ${blocks.failure.offset}` };
}

/** Base64 (RFC 4648 section 4), white space anywhere; undefined when it is none. */
function fromBase64(text: string): Uint8Array | undefined {
  if (text.includes('-----BEGIN')) return undefined;
  const base64 = text.replaceAll(/\s+/gu, '');
  const octets = Buffer.from(base64, 'base64');
  return octets.length > 0 && octets.toString('base64') === base64 ? new Uint8Array(octets) : undefined;
}
