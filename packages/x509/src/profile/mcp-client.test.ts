import { OID, general, type Issued } from '../../test/support/pki.ts';
import { intermediate, leaf, root, type Input } from '../../test/suites/hierarchy.ts';
import { suite, type Built } from '../../test/suites/verdict.ts';

const rule = 'profile: mcp-client';

/** A client below `depth` intermediates. */
const client = (input: Input = {}, depth = 0): Built => {
  const anchor = root();
  const intermediates: Issued[] = [];
  for (let i = 0; i < depth; i += 1)
    intermediates.push(intermediate(intermediates.at(-1) ?? anchor, { subject: `intermediate ${i}` }));
  const issuer = intermediates.at(-1) ?? anchor;
  return {
    profile: 'mcp-client',
    purpose: 'client',
    anchors: [anchor],
    intermediates,
    leaf: leaf(issuer, {
      key: 'Ed25519',
      san: [general.uri('spiffe://example.org/user/a')],
      eku: [OID.clientAuth],
      ...input,
    }),
  };
};

suite('mcp-client', [
  ['Ed25519', 'valid', () => client()],
  ['P-256', 'valid', () => client({ key: 'P-256' })],
  ['P-384', 'valid', () => client({ key: 'P-384' })],
  ['ML-DSA-65', 'valid', () => client({ key: 'ML-DSA-65' })],
  ['RSA', rule, () => client({ key: 'RSA-2048' })],
  ['P-521', rule, () => client({ key: 'P-521' })],
  ['a curve that is not known', 'key_refused', () => client({ key: 'secp256k1' })],
  ['for servers too', 'valid', () => client({ eku: [OID.serverAuth, OID.clientAuth] })],
  ['for servers alone', 'extended_key_usage', () => client({ eku: [OID.serverAuth] })],
  [
    'for servers alone, whatever the purpose',
    rule,
    () => ({ ...client({ eku: [OID.serverAuth] }), purpose: 'any' }),
  ],
  ['for anything', rule, () => client({ eku: [OID.anyExtendedKeyUsage] })],
  ['without extended key usage', rule, () => client({ eku: null })],
  ['a path of four', 'valid', () => client({}, 3)],
  ['a path of five', rule, () => client({}, 4)],
  ['no SPIFFE id', 'profile: X509-SVID section 2', () => client({ san: [general.dns('a.example.org')] })],
  [
    'no digitalSignature',
    'profile: X509-SVID section 4.3',
    () => client({ key: 'P-256', usage: ['keyAgreement'] }),
  ],
]);
