/** What the files of a trust domain hold, parsed. */
import {
  nameText,
  parseCertificateList,
  parseCertificates,
  readPem,
  type Certificate,
  type CertificateList,
} from '@sallyport/x509';
import { NOBODY_DENIED, parseDenyList, type DenyList } from '../../domain/deny-list.ts';

/** Where it is read from; the anchors may be given as text. */
export interface TrustFiles {
  readonly anchors: { readonly pem: string } | { readonly file: string };
  readonly intermediatesFile: string | undefined;
  readonly denyListFile: string | undefined;
  readonly crlFiles: readonly string[];
}

export interface TrustMaterial {
  readonly anchors: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly denied: DenyList;
  readonly crls: readonly CertificateList[];
}

export type ReadFile = (path: string) => Promise<Uint8Array>;

/** Rejects with a `TypeError` that names the file and what is wrong with it, or with what reading it rejected with. */
export async function readMaterial(files: TrustFiles, readFile: ReadFile): Promise<TrustMaterial> {
  const { anchors, intermediatesFile, denyListFile, crlFiles } = files;
  const pem = 'pem' in anchors ? anchors.pem : await readFile(anchors.file);
  const where = 'pem' in anchors ? 'the anchors' : anchors.file;
  return {
    anchors: readAnchors(pem, where),
    intermediates:
      intermediatesFile === undefined
        ? []
        : readCertificates(await readFile(intermediatesFile), intermediatesFile),
    denied:
      denyListFile === undefined ? NOBODY_DENIED : readDenied(await readFile(denyListFile), denyListFile),
    crls: (await Promise.all(crlFiles.map(async (file) => readLists(await readFile(file), file)))).flat(),
  };
}

/** Throws `TypeError` for text without a certificate, and for a certificate that is no authority. */
export function readAnchors(pem: string | Uint8Array, where = 'the anchors'): readonly Certificate[] {
  const anchors = readCertificates(pem, where);
  const other = anchors.find(({ basicConstraints }) => basicConstraints?.ca !== true);
  if (other !== undefined)
    throw new TypeError(`${where}: ${nameText(other.subject)} is not a certificate authority`);
  return anchors;
}

function readCertificates(input: string | Uint8Array, where: string): readonly Certificate[] {
  const parsed = parseCertificates(input);
  if (!parsed.ok) throw new TypeError(`${where}: ${parsed.failure.problem} (octet ${parsed.failure.offset})`);
  if (parsed.value.length === 0) throw new TypeError(`${where}: no PEM certificate`);
  return parsed.value;
}

function readLists(input: Uint8Array, where: string): readonly CertificateList[] {
  const single = parseCertificateList(input);
  if (single.ok) return [single.value];
  const blocks = readPem(input, 'X509 CRL');
  if (!blocks.ok || blocks.value.length === 0)
    throw new TypeError(`${where}: neither a CRL in DER (${single.failure.problem}) nor in PEM`);
  return blocks.value.map((der) => {
    const parsed = parseCertificateList(der);
    if (!parsed.ok) throw new TypeError(`${where}: ${parsed.failure.problem}`);
    return parsed.value;
  });
}

function readDenied(input: Uint8Array, where: string): DenyList {
  try {
    return parseDenyList(new TextDecoder('utf-8', { fatal: true }).decode(input));
  } catch (error) {
    throw new TypeError(`${where}: ${error instanceof TypeError ? error.message : 'not text'}`, {
      cause: error,
    });
  }
}
