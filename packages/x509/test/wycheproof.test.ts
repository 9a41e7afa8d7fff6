/** Signatures against C2SP/wycheproof (testvectors_v1), as a certificate's would be; origin and licence: SOURCE.md beside the vectors. */
import { expect, it } from 'vitest';
import type { Signed } from '../src/signature/types.ts';
import { fromHex } from './support/der.ts';
import { SCHEMES, type SchemeName } from './support/keys.ts';
import { algorithmOf, verdictOf } from './support/signing.ts';
import { vectorSuite } from './support/vector-suite.ts';

interface Wycheproof {
  readonly testGroups: readonly {
    readonly publicKeyDer: string | null;
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly msg: string;
      readonly sig: string;
      /** Of ML-DSA; a certificate's signature has none (RFC 9881 section 3). */
      readonly ctx?: string;
      readonly result: 'valid' | 'invalid' | 'acceptable';
    }[];
  }[];
}

const SUITES: readonly (readonly [file: string, scheme: SchemeName, cases: number])[] = [
  ['ecdsa_secp256r1_sha256_test.json', 'ecdsa-sha256', 484],
  ['ed25519_test.json', 'ed25519', 150],
  ['mldsa_65_verify_test.json', 'ml-dsa-65', 206],
];

for (const [file, scheme, cases] of SUITES)
  vectorSuite<Wycheproof>(`Wycheproof ${file}`, `wycheproof/${file}`, ({ testGroups }) => {
    let count = 0;
    for (const { publicKeyDer, tests } of testGroups) {
      if (publicKeyDer === null) continue; // keys that cannot be a SubjectPublicKeyInfo
      for (const { tcId, comment, msg, sig, ctx = '', result } of tests) {
        count += 1;
        it(`${tcId} ${result}: ${comment}`, () => {
          const signed: Signed = {
            tbs: fromHex(msg),
            signatureAlgorithm: algorithmOf(SCHEMES[scheme].algorithm),
            signatureValue: fromHex(sig),
          };
          const isGood = verdictOf(signed, fromHex(publicKeyDer)) === 'good';
          expect(isGood).toBe(result === 'valid' && ctx === '');
        });
      }
    }
    it(`has ${cases} cases at least`, () => {
      expect(count).toBeGreaterThanOrEqual(cases);
    });
  });
