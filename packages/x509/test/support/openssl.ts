/** OpenSSL as certification authority, CRL issuer and OCSP responder, in a folder that is gone after the test. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TIMEOUT_MS = 20_000;

function findVersion(): string | undefined {
  try {
    return execFileSync('openssl', ['version'], { encoding: 'utf8', timeout: TIMEOUT_MS }).trim();
  } catch {
    return undefined;
  }
}

/** Throws when OpenSSL is missing and SALLYPORT_REQUIRE_ALL is 1. */
export function opensslSuite(): { readonly skip: boolean; title(what: string): string } {
  const version = findVersion();
  if (version === undefined && process.env['SALLYPORT_REQUIRE_ALL'] === '1')
    throw new Error('openssl is not installed here');
  return {
    skip: version === undefined,
    title: (what) => `${what} (${version ?? 'skipped: openssl is not installed here'})`,
  };
}

const CONFIG = `
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = it
[it]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = root.pem
private_key = root.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
unique_subject = no
[old]
database = index.txt
certificate = root.pem
private_key = root.key
default_md = sha256
default_crl_days = 7
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
keyUsage = critical, digitalSignature
[responder]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, OCSPSigning
noCheck = ignored
[list]
authorityKeyIdentifier = keyid
[users]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @only_users
[only_users]
onlyuser = TRUE
[cas]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical, @only_cas
[only_cas]
onlyCA = TRUE
[delta]
authorityKeyIdentifier = keyid
2.5.29.27 = critical, DER:02:01:01
`;

export interface Authority extends Disposable {
  readonly folder: string;
  /** Runs `openssl` in the folder; throws with what it says when it fails. */
  openssl(...args: readonly string[]): Buffer;
  read(file: string): Buffer;
  write(file: string, octets: Uint8Array): void;
  /** Issues `<name>.pem` with the extensions of a section above. */
  issue(name: string, extensions?: 'leaf' | 'responder'): void;
  revoke(name: string, reason: string): void;
  /** DER of a new list with the extensions of a section above. */
  list(extensions?: 'list' | 'users' | 'cas' | 'delta'): Buffer;
  /** DER of a list of version 1. */
  oldList(): Buffer;
  /** Starts a responder on a free port; it ends after `requests`, or with the disposal of what is returned. */
  respond(requests: number, ...args: readonly string[]): Promise<Disposable & { readonly url: string }>;
}

export type KeyAlgorithm = readonly string[];
export const P256: KeyAlgorithm = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
export const RSA: KeyAlgorithm = ['rsa:2048'];

export function createAuthority(algorithm: KeyAlgorithm = P256): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-openssl-'));
  const openssl = (...args: readonly string[]): Buffer =>
    execFileSync('openssl', args, { cwd: folder, timeout: TIMEOUT_MS, stdio: ['ignore', 'pipe', 'pipe'] });
  const write = (file: string, octets: Uint8Array | string): void =>
    writeFileSync(join(folder, file), octets);
  const read = (file: string): Buffer => readFileSync(join(folder, file));
  const request = (name: string): readonly string[] => [
    ...['req', '-config', 'ca.cnf', '-newkey', ...algorithm, '-nodes', '-subj', `/CN=${name}`],
    ...['-keyout', `${name}.key`],
  ];
  const ca = (...args: readonly string[]): Buffer => openssl('ca', '-config', 'ca.cnf', '-batch', ...args);
  const asDer = (file: string): Buffer => openssl('crl', '-in', file, '-outform', 'DER');
  write('ca.cnf', CONFIG);
  write('index.txt', '');
  write('serial', '1000\n');
  write('crlnumber', '01\n');
  openssl(...request('root'), '-x509', '-extensions', 'root', '-days', '30', '-out', 'root.pem');
  return {
    folder,
    openssl,
    read,
    write,
    issue(name, extensions = 'leaf') {
      openssl(...request(name), '-new', '-out', `${name}.csr`);
      ca('-in', `${name}.csr`, '-out', `${name}.pem`, '-extensions', extensions, '-notext');
    },
    revoke(name, reason) {
      ca('-revoke', `${name}.pem`, '-crl_reason', reason);
    },
    list(extensions = 'list') {
      ca('-gencrl', '-crlexts', extensions, '-out', 'list.pem');
      return asDer('list.pem');
    },
    oldList() {
      ca('-name', 'old', '-gencrl', '-out', 'old.pem');
      return asDer('old.pem');
    },
    respond: (requests, ...args) => startResponder(folder, requests, args),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function startResponder(
  folder: string,
  requests: number,
  args: readonly string[],
): Promise<Disposable & { readonly url: string }> {
  const common = [
    'ocsp',
    '-port',
    '0',
    '-index',
    'index.txt',
    '-CA',
    'root.pem',
    '-nrequest',
    String(requests),
  ];
  const child = spawn('openssl', [...common, '-timeout', '5', ...args], { cwd: folder, timeout: TIMEOUT_MS });
  const port = await new Promise<string>((resolve, reject) => {
    let said = '';
    const hear = (text: Buffer): void => {
      said += text.toString();
      const found = /ACCEPT \S*?:(\d+)/u.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the responder has ended: ${said}`)));
  });
  return { url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => void child.kill() };
}
