/** Writes the files that the tests of the command line read: `node example-files.ts <folder>`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { OID, certId, general, issue, makeCrl, makeKey, makeOcspResponse, toPem } from './pki.ts';

const [folder = '.'] = process.argv.slice(2);
const until = new Date('2035-01-01T00:00:00Z');
const root = issue({
  subject: [
    ['O', 'Example, Inc.'],
    ['CN', 'root'],
  ],
  ca: true,
  key: makeKey('P-256', 'root'),
});
const sub = issue({ subject: 'sub', issuer: root, ca: true, pathLen: 0, key: makeKey('P-256', 'sub') });
const leaf = issue({
  subject: 'leaf',
  issuer: sub,
  serial: 0x1234,
  key: makeKey('P-256', 'leaf'),
  names: [general.dns('a.example'), general.ip(192, 0, 2, 1), general.email('a@b.example')],
  extendedKeyUsage: [OID.serverAuth],
});
const crl = (issuer: typeof root, revoked: { serial: number; reason: string }[] = []): Uint8Array =>
  makeCrl({ issuer: issuer.subject, signer: issuer.key, crlNumber: 1, nextUpdate: until, revoked });
const asked = certId({ issuerName: sub.subject, issuerSpki: sub.key.spki, serial: 0x1234 });

const files: Record<string, string | Uint8Array> = {
  'root.pem': toPem(root.der),
  'chain.pem': `leaf and its issuer\n${toPem(leaf.der)}\n${toPem(sub.der)}`,
  'leaf.der': leaf.der,
  'sub.pem': toPem(sub.der),
  'cut-off.pem': toPem(leaf.der.subarray(0, 300)),
  'root-crl.pem': toPem(crl(root), 'X509 CRL'),
  'sub-crl.der': crl(sub, [{ serial: 0x99, reason: 'keyCompromise' }]),
  'sub-crl-with-leaf.der': crl(sub, [{ serial: 0x1234, reason: 'superseded' }]),
  'leaf-ocsp.der': makeOcspResponse({
    signer: sub.key,
    responder: { name: sub.subject },
    responses: [{ certId: asked, nextUpdate: until }],
  }),
};
mkdirSync(folder, { recursive: true });
for (const [name, content] of Object.entries(files)) writeFileSync(`${folder}/${name}`, content);
