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
import type { Files } from './files.ts';
import { watchFile, type WatchedFile } from './watched-file.ts';

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

/** The files of one trust domain, each for itself: what is wrong with one keeps none of the others from taking effect. */
export interface WatchedMaterial {
  readonly value: TrustMaterial;
  readonly problems: readonly string[];
  /** Resolves to whether anything is another now; never rejects. */
  look(): Promise<boolean>;
}

/** Rejects with a `TypeError` that names the file and what is wrong with it, or with what reading it rejected with. */
export async function watchMaterial(from: TrustFiles, files: Files): Promise<WatchedMaterial> {
  const { intermediatesFile, denyListFile, crlFiles } = from;
  const watched: WatchedFile<unknown>[] = [];
  async function watch<T>(file: string, parse: (octets: Uint8Array, where: string) => T): Promise<() => T> {
    const one = await watchFile(file, files, (octets) => parse(octets, file));
    watched.push(one);
    return () => one.value;
  }
  const fixed = 'pem' in from.anchors ? readAnchors(from.anchors.pem) : undefined;
  const anchors = 'pem' in from.anchors ? () => fixed ?? [] : await watch(from.anchors.file, readAnchors);
  const intermediates =
    intermediatesFile === undefined ? () => [] : await watch(intermediatesFile, readCertificates);
  const denied = denyListFile === undefined ? () => NOBODY_DENIED : await watch(denyListFile, readDenied);
  const lists: (() => readonly CertificateList[])[] = [];
  // One after the other: lists may be large.
  for (const file of crlFiles) lists.push(await watch(file, readLists));
  return {
    get value() {
      return {
        anchors: anchors(),
        intermediates: intermediates(),
        denied: denied(),
        crls: lists.flatMap((list) => list()),
      };
    },
    get problems() {
      return watched.flatMap(({ problem }) => problem ?? []);
    },
    async look() {
      let isAnother = false;
      for (const one of watched) isAnother = (await one.look()) || isAnother;
      return isAnother;
    },
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
