// What a user of packages/x509 gets from the registry, and its README followed word by word: its examples are run as they
// stand, on files of the names that they say, made by OpenSSL.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packPackages, root, type PackedPackages } from '../testing/packed.ts';

const CONFIG = `
[req]
distinguished_name = none
[none]
[ca]
default_ca = list
[list]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 7
crl_extensions = list_extensions
[list_extensions]
authorityKeyIdentifier = keyid
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:www.example.com
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;

const hasOpenssl = spawnSync('openssl', ['version'], { timeout: 20_000 }).status === 0;
if (!hasOpenssl && process.env['SALLYPORT_REQUIRE_ALL'] === '1')
  throw new Error('openssl is not installed here');
const title = hasOpenssl ? 'packed' : 'packed (skipped: openssl is not installed here)';

let packed: PackedPackages;
const file = (name: string): string => join(packed.folder, name);
const openssl = (...args: readonly string[]): Promise<string> => packed.succeed('openssl', args);

/** `name`.key and `name`.pem; a root when nobody issues it. */
async function certify(name: string, subject: string, issuer?: string): Promise<void> {
  await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
  const by =
    issuer === undefined
      ? ['-key', `${name}.key`]
      : ['-key', `${name}.key`, '-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`];
  const what = ['-subj', subject, '-days', '30', '-extensions', name, '-out', `${name}.pem`];
  await openssl('req', '-new', '-x509', '-config', 'openssl.cnf', ...by, ...what);
}

async function list(issuer: string): Promise<void> {
  const by = ['-cert', `${issuer}.pem`, '-keyfile', `${issuer}.key`];
  await openssl('ca', '-config', 'openssl.cnf', '-gencrl', ...by, '-out', `${issuer}.crl.pem`);
  await openssl('crl', '-in', `${issuer}.crl.pem`, '-outform', 'DER', '-out', `${issuer}.crl`);
}

/** The response of a responder who is the issuer and knows nobody who is revoked. */
async function staple(): Promise<void> {
  const serial = (await openssl('x509', '-in', 'leaf.pem', '-noout', '-serial'))
    .trim()
    .replace('serial=', '');
  writeFileSync(file('known.txt'), `V\t491231235959Z\t\t${serial}\tunknown\t/CN=www.example.com\n`);
  const about = ['-issuer', 'intermediate.pem', '-cert', 'leaf.pem', '-no_nonce'];
  await openssl('ocsp', ...about, '-reqout', 'leaf.request');
  const by = ['-rsigner', 'intermediate.pem', '-rkey', 'intermediate.key', '-CA', 'intermediate.pem'];
  const answer = ['-reqin', 'leaf.request', '-respout', 'leaf.ocsp', '-ndays', '3'];
  await openssl('ocsp', '-index', 'known.txt', ...by, ...answer);
}

/** The examples of the README, one after the other, as one module. */
function examples(): string {
  const text = readFileSync(join(root, 'packages/x509/README.md'), 'utf8');
  return Array.from(text.matchAll(/^```ts\n(.*?)^```$/gms), ([, code]) => code).join('\n');
}

describe.skipIf(!hasOpenssl)(`@sallyport/x509, ${title}`, () => {
  beforeAll(async () => {
    packed = await packPackages('x509', ['x509']);
    const types = file('node_modules/@types');
    mkdirSync(types);
    symlinkSync(
      realpathSync(join(root, 'packages/x509/node_modules/@types/node')),
      join(types, 'node'),
      'dir',
    );
    writeFileSync(file('openssl.cnf'), CONFIG);
    writeFileSync(file('index.txt'), '');
    writeFileSync(file('crlnumber'), '01\n');
    await certify('root', '/O=Example/CN=Root');
    await certify('intermediate', '/O=Example/CN=Intermediate', 'root');
    await certify('leaf', '/CN=www.example.com', 'intermediate');
    await list('root');
    await list('intermediate');
    await staple();
    const [leaf, intermediate] = ['leaf.pem', 'intermediate.pem'].map((name) =>
      readFileSync(file(name), 'utf8'),
    );
    writeFileSync(file('server-chain.pem'), `what a tool said\n${leaf}and between\n${intermediate}`);
    writeFileSync(file('roots.pem'), readFileSync(file('root.pem')));
    writeFileSync(file('examples.ts'), examples());
  }, 120_000);

  afterAll(() => packed[Symbol.dispose]());

  test('depends on real versions and exports built files', () => {
    const { exports, dependencies } = packed.manifest('x509');
    expect(Object.keys(exports)).toEqual(['.', './fetch']);
    for (const target of Object.values(exports).flatMap((conditions) => Object.values(conditions)))
      expect(readFileSync(join(packed.installed('x509'), target), 'utf8').length).toBeGreaterThan(0);
    expect(Object.keys(dependencies)).toEqual(['lru-cache']);
    expect(dependencies['lru-cache']).toMatch(/^[\^~]?\d+\.\d+\.\d+$/);
  });

  test('the examples of its README type-check, as strictly as can be', async () => {
    await packed.typeCheck('examples.ts', ['node']);
  });

  test('the examples of its README say what it promises', async () => {
    const output = await packed.succeed('node', ['examples.ts']);
    const lines = output.split('\n');
    expect(lines[0]).toMatch(/^2 2\d{3}-/); // a path of two certificates, and until when
    expect(output).toMatch(/^0 good \[.*kind: 'ocsp'/ms);
    expect(output).toMatch(/^1 good \[.*kind: 'crl'/ms);
    expect(output).not.toMatch(/revocation_unknown|no_path/);
  });

  test('the same chain for another name is refused with reason and section', async () => {
    const other = examples().replace("value: 'www.example.com'", "value: 'example.com'");
    writeFileSync(file('other.ts'), other);
    const output = await packed.succeed('node', ['other.ts']);
    expect(output).toMatch(/^name_mismatch RFC \d+ section/);
  });
});
