/** A certificate chain as a field: u8 count ‖ lp16 DER each, leaf first (docs/protocol.md section 4). */
import { concatBytes } from '@sallyport/crypto';
import { MAX_CERTIFICATES } from './constants.ts';
import { lp16, u8, type Reader } from './wire.ts';

const MAX_CERTIFICATE_BYTES = 8192;

/** Throws RangeError unless there are 1 to 4 certificates. */
export function encodeChain(chainDer: readonly Uint8Array[]): Uint8Array {
  if (chainDer.length < 1 || chainDer.length > MAX_CERTIFICATES) {
    throw new RangeError(`a chain has 1 to ${MAX_CERTIFICATES} certificates, not ${chainDer.length}`);
  }
  return concatBytes(u8(chainDer.length), ...chainDer.map(lp16));
}

/** Only splits; what the certificates say is for the verifier of chains. */
export function readChain(reader: Reader): Uint8Array[] {
  const count = reader.u8();
  if (reader.cause === undefined && (count < 1 || count > MAX_CERTIFICATES)) reader.fail('bad_count');
  const chain: Uint8Array[] = [];
  for (let at = 0; at < count && reader.cause === undefined; at += 1) {
    const certificate = reader.lp16(MAX_CERTIFICATE_BYTES);
    if (certificate.length === 0) reader.fail('bad_field');
    chain.push(certificate);
  }
  return chain;
}
