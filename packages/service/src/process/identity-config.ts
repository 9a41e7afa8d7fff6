/** A service's certificate, key and trust roots in files, checked when the configuration is read. */
import {
  checked,
  object,
  path,
  secretFile,
  string,
  type Complaint,
  type Infer,
  type Schema,
} from '../config/index.ts';
import { systemClock, type Clock } from '../clock/index.ts';
import {
  identityFromPem,
  isTrustDomain,
  serviceSpiffeId,
  type Identity,
  type ServiceName,
  type Trust,
} from '../identity/index.ts';
import { certificatesOf, complain, readText, rootProblems, validityProblem } from './files.ts';

export type IdentityConfig = {
  /** PEM, leaf first. */
  readonly certFile: string;
  /** PEM, PKCS#8, of this user alone. */
  readonly keyFile: string;
  /** PEM of the trust roots. */
  readonly caFile: string;
  readonly trustDomain: string;
};

const files = object({
  certFile: path({ env: 'SALLYPORT_CERT_FILE' }),
  keyFile: secretFile({ env: 'SALLYPORT_KEY_FILE' }),
  caFile: path({ env: 'SALLYPORT_CA_FILE' }),
  trustDomain: string({
    env: 'SALLYPORT_TRUST_DOMAIN',
    pattern: /^[a-z0-9._-]{1,255}$/u,
    hint: 'Write the trust domain of the certificates, e.g. example.org.',
  }),
});

/**
 * Refuses what could not work: a certificate and key that do not belong together, another name than
 * `spiffe://<trust domain>/svc/<service>`, one outside its validity, or one that no root in `caFile` issued.
 */
export function identityConfig(
  service: ServiceName,
  clock: Pick<Clock, 'now'> = systemClock(),
): Schema<IdentityConfig> {
  return checked(files, (value) => identityProblems(value, service, clock.now()));
}

/** Reads the files again: what they hold is what `identityConfig` saw, or newer. Throws `TypeError`, never with a key in it. */
export function readServiceIdentity(config: IdentityConfig): {
  readonly identity: Identity;
  readonly trust: Trust;
} {
  const [certPem, keyPem, caPem] = [config.certFile, config.keyFile, config.caFile].map((file) => {
    const read = readText(file);
    if ('what' in read) throw new TypeError(`${file}: ${read.what}`);
    return read.text;
  }) as [string, string, string];
  return {
    identity: identityFromPem({ certPem, keyPem }),
    trust: { caPem, trustDomain: config.trustDomain },
  };
}

export function identityProblems(
  config: Infer<typeof files>,
  service: ServiceName,
  nowMs: number,
): readonly Complaint[] {
  const { trustDomain } = config;
  if (!isTrustDomain(trustDomain))
    return [
      complain('trustDomain', 'is not a trust domain', 'Write lower-case letters, digits, dots and dashes.'),
    ];
  const problems = [...rootProblems('caFile', config.caFile, nowMs)];
  const cert = readText(config.certFile);
  if ('what' in cert)
    return [...problems, complain('certFile', cert.what, 'Check the path and its permissions.')];
  const key = readText(config.keyFile);
  if ('what' in key)
    return [...problems, complain('keyFile', key.what, 'Check the path and its permissions.')];
  const chain = certificatesOf(cert.text) ?? [];
  if (chain.length === 0)
    return [
      ...problems,
      complain('certFile', 'names a file without a PEM certificate', 'Write the chain into it, leaf first.'),
    ];
  try {
    const { spiffeId } = identityFromPem({ certPem: cert.text, keyPem: key.text });
    const wanted = serviceSpiffeId(trustDomain, service);
    if (spiffeId !== wanted)
      problems.push(
        complain(
          'certFile',
          `names ${spiffeId}, and this is ${wanted}`,
          'Give this service its own certificate.',
        ),
      );
  } catch (error) {
    const isKey = (error as Error).message.includes('private key');
    problems.push(
      complain(
        isKey ? 'keyFile' : 'certFile',
        (error as Error).message,
        'Give the pair that was issued together.',
      ),
    );
  }
  const validity = chain.map((certificate) => validityProblem(certificate, nowMs)).find(isText);
  if (validity !== undefined) problems.push(complain('certFile', validity, 'Renew it, or check the clock.'));
  if (problems.length === 0 && !isIssuedByRoot(config, cert.text))
    problems.push(
      complain('certFile', 'was not issued by an authority of caFile', 'Give the authority that issued it.'),
    );
  return problems;
}

const isText = (value: string | undefined): value is string => value !== undefined;

/** Each certificate by the next, the last by a root. Whoever connects checks all of RFC 5280; this is about mix-ups. */
function isIssuedByRoot({ caFile }: Infer<typeof files>, certPem: string): boolean {
  const read = readText(caFile);
  const chain = certificatesOf(certPem) ?? [];
  if ('what' in read || chain.length === 0) return false;
  const roots = certificatesOf(read.text) ?? [];
  return chain.every((certificate, index) => {
    const next = chain[index + 1];
    return (next === undefined ? roots : [next]).some(
      (issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey),
    );
  });
}
