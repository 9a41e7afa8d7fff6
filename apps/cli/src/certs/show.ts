/** `certs show`: what certificates, CRLs and OCSP answers say. */
import {
  certificateText,
  generalNameText,
  nameText,
  parseCertificate,
  parseCertificateList,
  parseOcspResponse,
  type Certificate,
} from '@sallyport/x509';
import type { CommandContext } from '../commands/context.ts';
import { CommandFailed } from '../exit.ts';
import { oneLine, parseInteger } from '../format.ts';
import { crlJson, crlText, ocspJson, ocspText } from './revocation-text.ts';
import { CERTIFICATE, CRL, OCSP_RESPONSE, readSource, type Element } from './source.ts';
import { readSourceFile } from './verify.ts';

type Shown =
  | { readonly ok: true; readonly value: Record<string, unknown>; readonly text: string }
  | { readonly ok: false; readonly problem: string };

/** Shows what it can; throws `CommandFailed` at the end when something did not parse. */
export async function showFiles(
  context: CommandContext,
  { entries = '20' }: { readonly entries?: string },
  files: readonly string[],
): Promise<void> {
  const { output } = context;
  const maxEntries = parseInteger(entries, 0, 10_000_000, '--entries');
  let broken = 0;
  const fail = (problem: string, file: string): void => {
    broken += 1;
    output.problem(problem, { file, reason: 'malformed' });
  };
  for (const file of files) {
    const read = readSource(await readSourceFile(file));
    if (!read.ok) {
      fail(`${file} ${read.problem}.`, file);
      continue;
    }
    for (const [index, element] of read.elements.entries()) {
      const place = read.elements.length > 1 ? `${file}, block ${index + 1}` : file;
      const shown = show(element, maxEntries);
      if (shown === undefined) output.note(`${place}: ${element.label} is left out.`);
      else if (shown.ok) output.result({ file, ...shown.value }, `${oneLine(place)}\n${shown.text}\n`);
      else fail(`${place} ${shown.problem}.`, file);
    }
  }
  if (broken > 0) throw new CommandFailed(`${broken} of them did not parse.`, { reason: 'malformed' });
}

/** Undefined: something else, a key for instance. */
function show({ label, der }: Element, maxEntries: number): Shown | undefined {
  switch (label) {
    case CERTIFICATE:
      return showCertificate(der);
    case CRL:
      return showCrl(der, maxEntries);
    case OCSP_RESPONSE:
      return showOcsp(der);
    case '':
      return showAny(der, maxEntries);
    default:
      return undefined;
  }
}

/** DER says not what it is: the first that it can be. */
function showAny(der: Uint8Array, maxEntries: number): Shown {
  const tries = [showCertificate(der), showCrl(der, maxEntries), showOcsp(der)];
  const shown = tries.find(({ ok }) => ok);
  if (shown !== undefined) return shown;
  const problems = tries.map((tried) => (tried.ok ? '' : tried.problem));
  return { ok: false, problem: problems.join('; ') };
}

const broken = (what: string, { offset, problem }: { offset: number; problem: string }): Shown => ({
  ok: false,
  problem: `is no ${what}: ${problem} at octet ${offset}`,
});

function showCertificate(der: Uint8Array): Shown {
  const parsed = parseCertificate(der);
  return parsed.ok
    ? { ok: true, value: certificateJson(parsed.value), text: certificateText(parsed.value) }
    : broken('certificate', parsed.failure);
}

function showCrl(der: Uint8Array, maxEntries: number): Shown {
  const parsed = parseCertificateList(der);
  return parsed.ok
    ? { ok: true, value: crlJson(parsed.value, maxEntries), text: crlText(parsed.value, maxEntries) }
    : broken('CRL', parsed.failure);
}

function showOcsp(der: Uint8Array): Shown {
  const parsed = parseOcspResponse(der);
  return parsed.ok
    ? { ok: true, value: ocspJson(parsed.value), text: ocspText(parsed.value) }
    : broken('OCSP answer', parsed.failure);
}

function certificateJson(certificate: Certificate): Record<string, unknown> {
  const { validity } = certificate;
  return {
    kind: 'certificate',
    version: certificate.version,
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    serialNumber: certificate.serialNumber,
    notBefore: new Date(validity.notBeforeMs).toISOString(),
    notAfter: new Date(validity.notAfterMs).toISOString(),
    fingerprint: certificate.fingerprint,
    publicKeyAlgorithm: certificate.subjectPublicKeyInfo.algorithm.oid,
    signatureAlgorithm: certificate.signatureAlgorithm.oid,
    basicConstraints: certificate.basicConstraints,
    keyUsage: certificate.keyUsage && [...certificate.keyUsage],
    extendedKeyUsage: certificate.extendedKeyUsage,
    subjectAltName: certificate.subjectAltName?.map(generalNameText),
    policies: certificate.certificatePolicies?.map(({ oid }) => oid),
    extensions: certificate.extensions.map(({ oid, critical, value }) => ({ oid, critical, value })),
  };
}
