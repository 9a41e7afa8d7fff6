import { describe, expect, it } from 'vitest';
import type { KeyUsage } from '../certificate/types.ts';
import { pathVerdict } from '../../test/support/path.ts';
import { OID, issue, type Issued } from '../../test/support/pki.ts';

const SERVER = OID.serverAuth;
const CLIENT = '1.3.6.1.5.5.7.3.2';
const OCSP = OID.OCSPSigning;
const ANY = OID.anyExtendedKeyUsage;

const root = issue({ subject: 'root', ca: true });
function chain(ofCa: readonly string[] | undefined, ofLeaf: readonly string[] | undefined): Issued[] {
  const ca = issue({ subject: 'ca', issuer: root, ca: true, ...(ofCa && { extendedKeyUsage: ofCa }) });
  return [root, ca, issue({ issuer: ca, ...(ofLeaf && { extendedKeyUsage: ofLeaf }) })];
}
const inconsistentUsage = 'key_usage | 4.2.1.12 | 0';
const atLeaf = 'extended_key_usage | 4.2.1.12 | 0';
const atCa = 'extended_key_usage | 4.2.1.12 | 1';

describe('extended key usage along the path', () => {
  it.each<[string, readonly string[] | undefined, readonly string[] | undefined, readonly string[], string]>([
    ['nothing is asked', [CLIENT], [SERVER], [], 'valid'],
    ['absent in all', undefined, undefined, [SERVER], 'valid'],
    ['listed in all', [SERVER], [SERVER], [SERVER], 'valid'],
    ['listed in the leaf', undefined, [SERVER], [SERVER], 'valid'],
    ['another in the leaf', undefined, [CLIENT], [SERVER], atLeaf],
    ['another in the CA', [CLIENT], [SERVER], [SERVER], atCa],
    ['another in the CA, absent in the leaf', [CLIENT], undefined, [SERVER], atCa],
    ['any in the CA', [ANY], [SERVER], [SERVER], 'valid'],
    ['any in the leaf', [SERVER], [ANY], [SERVER], 'valid'],
    ['both are asked, both are there', [SERVER, CLIENT], [CLIENT, SERVER], [SERVER, CLIENT], 'valid'],
    ['both are asked, the leaf has one', undefined, [SERVER], [SERVER, CLIENT], atLeaf],
    ['both are asked, the CA has one', [SERVER], [SERVER, CLIENT], [SERVER, CLIENT], atCa],
    ['a responder below a CA for servers', [SERVER], [OCSP], [OCSP], 'valid'],
    ['no responder', [SERVER], [SERVER], [OCSP], atLeaf],
  ])('%s', (_title, ofCa, ofLeaf, extendedKeyUsage, verdict) => {
    expect(pathVerdict(chain(ofCa, ofLeaf), { extendedKeyUsage })).toBe(verdict);
  });
});

describe('key usage and extended key usage of a leaf, both of them', () => {
  it.each<[string, readonly KeyUsage[], readonly string[] | undefined, readonly string[], string]>([
    ['digitalSignature, for servers', ['digitalSignature'], [SERVER], [SERVER], 'valid'],
    ['keyEncipherment, for servers', ['keyEncipherment'], [SERVER], [SERVER], 'valid'],
    ['keyAgreement, for clients', ['keyAgreement'], [CLIENT], [CLIENT], 'valid'],
    ['keyEncipherment, for clients', ['keyEncipherment'], [CLIENT], [CLIENT], inconsistentUsage],
    ['cRLSign, for servers', ['cRLSign'], [SERVER], [SERVER], inconsistentUsage],
    ['cRLSign, for any, asked for servers', ['cRLSign'], [ANY], [SERVER], inconsistentUsage],
    ['nonRepudiation, for responders', ['nonRepudiation'], [OCSP], [OCSP], 'valid'],
    ['nonRepudiation, for both', ['nonRepudiation'], [OCSP, SERVER], [OCSP, SERVER], inconsistentUsage],
    ['no extended key usage', ['cRLSign'], undefined, [SERVER], 'valid'],
    ['nothing is asked', ['cRLSign'], [SERVER], [], 'valid'],
    ['no key usage', [], [SERVER], [SERVER], 'valid'],
    ['a usage that the RFC does not know', ['cRLSign'], ['1.2.3.4'], ['1.2.3.4'], 'valid'],
  ])('%s', (_title, usages, allowed, extendedKeyUsage, verdict) => {
    const leaf = issue({ issuer: root, usages, ...(allowed && { extendedKeyUsage: allowed }) });
    expect(pathVerdict([root, leaf], { extendedKeyUsage })).toBe(verdict);
  });
});
