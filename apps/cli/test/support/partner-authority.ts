/** Another organization's certificate authority, by the openssl command: its clients, and its revocation list. */
import { execFile } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type PartnerClient = { readonly certificate: string; readonly key: string };

export type PartnerAuthority = {
  /** The authority's certificate, PEM. */
  readonly anchorsFile: string;
  /** Its list, PEM; there from the start, with nobody on it. */
  readonly crlFile: string;
  /** An Ed25519 certificate for clients with that URI as its name; `name` is for its files. */
  issue(name: string, uri: string): Promise<PartnerClient>;
  /** Puts it on the list and the list into its place. */
  revoke(client: PartnerClient): Promise<void>;
};

const CONFIG = `
[req]
distinguished_name = subject
prompt = no
[subject]
CN = Partner
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = partner
[partner]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 7
certificate = ca.pem
private_key = ca.key
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
`;

const leafExtensions = (uri: string): string => `
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = URI:${uri}
`;

/** `folder` is made. Rejects with what openssl wrote. */
export async function partnerAuthority(folder: string): Promise<PartnerAuthority> {
  await mkdir(folder, { recursive: true });
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder, timeout: 20_000 });
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  await Promise.all([write('openssl.cnf', CONFIG), write('index.txt', ''), write('crlnumber', '01\n')]);
  await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ca.key');
  const self = ['-config', 'openssl.cnf', '-key', 'ca.key', '-extensions', 'authority'];
  await openssl('req', '-x509', '-new', '-sha256', '-days', '30', ...self, '-out', 'ca.pem');

  async function publish(): Promise<void> {
    await openssl('ca', '-config', 'openssl.cnf', '-gencrl', '-out', 'next.crl');
    await rename(join(folder, 'next.crl'), join(folder, 'partner.crl'));
  }
  await publish();

  return {
    anchorsFile: join(folder, 'ca.pem'),
    crlFile: join(folder, 'partner.crl'),
    async issue(name, uri) {
      const [key, request, extensions, leaf] = ['key', 'csr', 'cnf', 'pem'].map(
        (end) => `${name}.${end}`,
      ) as [string, string, string, string];
      await write(extensions, leafExtensions(uri));
      await openssl('genpkey', '-algorithm', 'ed25519', '-out', key);
      await openssl(
        'req',
        '-new',
        '-config',
        'openssl.cnf',
        '-subj',
        `/CN=${name}`,
        '-key',
        key,
        '-out',
        request,
      );
      const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', extensions];
      await openssl('x509', '-req', '-sha256', '-days', '10', '-in', request, ...signer, '-out', leaf);
      return { certificate: join(folder, leaf), key: join(folder, key) };
    },
    async revoke({ certificate }) {
      await openssl('ca', '-config', 'openssl.cnf', '-revoke', certificate);
      await publish();
    },
  };
}
