/** Tables of malformed certificates: each row knows what is wrong, and so at which octet the parser must say it. */
import { expect } from 'vitest';
import { parseCertificate } from '../../src/certificate/parse-certificate.ts';
import { basicConstraints, makeCertificate, type CertificateInput } from './pki.ts';

/**
 * `wrong` is a part of the certificate as it stands there, once; `at` is the octet of it that is wrong. What puts it there
 * is `input`, or a change of the whole DER. A negative `at` counts from behind the last octet, which is -1.
 */
export interface Row {
  readonly wrong: Uint8Array;
  readonly at: number;
  readonly problem: RegExp;
  readonly input?: CertificateInput;
  readonly map?: (der: Uint8Array) => Uint8Array;
}

export const v3: CertificateInput = { extensions: [basicConstraints(true)] };

function offsetOf(row: Row, der: Uint8Array): number {
  if (row.at < 0) return der.length + row.at + 1;
  const first = Buffer.from(der).indexOf(row.wrong);
  expect(first, 'the wrong part is there').toBeGreaterThanOrEqual(0);
  expect(Buffer.from(der).indexOf(row.wrong, first + 1), 'and once').toBe(
    row.wrong.length === 0 ? der.length : -1,
  );
  return first + row.at;
}

/** Parses what the row makes, and expects its problem at its octet. */
export function refuses(row: Row): void {
  const made = makeCertificate(row.input ?? v3);
  const der = row.map?.(made) ?? made;
  const parsed = parseCertificate(der);
  if (parsed.ok) throw new Error('this certificate is read');
  expect(parsed.failure.problem).toMatch(row.problem);
  expect(parsed.failure.offset).toBe(offsetOf(row, der));
}
