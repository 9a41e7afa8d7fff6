/** What a validation that lacks something could ask for, and where: the locations that its certificates name. */
import type { Certificate, DistributionPoint, GeneralName } from '../certificate/types.ts';
import type { RevocationInput, RevocationMode, TrustAnchor } from '../input.ts';
import type { RevocationReport, ValidationResult } from '../result.ts';
import { nameKey } from '../names/name-key.ts';
import { encodeOcspRequest } from '../revocation/ocsp/request.ts';
import type { FetchRequest } from './port.ts';

// RFC 5280 section 4.2.2.1.
const OCSP = '1.3.6.1.5.5.7.48.1';
const CA_ISSUERS = '1.3.6.1.5.5.7.48.2';
/** Locations of one certificate that are tried. */
const MAX_LOCATIONS = 4;

/** A whole path with what is known of its certificates' revocation. */
interface Subject {
  readonly path: readonly Certificate[];
  readonly anchor: TrustAnchor;
  readonly reports: readonly RevocationReport[];
}

/** What is missing, by kind: an OCSP answer, when there is one, may make the lists needless. */
export interface Wanted {
  readonly certificates: readonly FetchRequest[];
  readonly ocsp: readonly FetchRequest[];
  readonly crls: readonly FetchRequest[];
}

/** What a validation was given, as far as it decides what to ask for. */
export interface Situation {
  readonly result: ValidationResult;
  readonly leaf: Certificate;
  /** All that there is to build with, what was fetched included. */
  readonly intermediates: readonly Certificate[];
  readonly revocation: RevocationInput | undefined;
  readonly nonce: Uint8Array | undefined;
}

export function wantedBy({ result, leaf, intermediates, revocation, nonce }: Situation): Wanted {
  const hasOpenEnd = !result.valid && result.candidates.some(({ anchor }) => anchor === undefined);
  const certificates = hasOpenEnd ? openEnds(leaf, intermediates).flatMap(issuerRequests) : [];
  const mode = revocation?.mode ?? 'none';
  const undecided =
    mode === 'none' ? [] : subjectsOf(result).flatMap((subject) => unknownOf(subject, revocation));
  return {
    certificates,
    ocsp: mode === 'crl' ? [] : undecided.flatMap((item) => ocspRequests(item, nonce)),
    crls: mode === 'ocsp' ? [] : undecided.flatMap((item) => crlRequests(item, mode)),
  };
}

/** Every certificate that the leaf's issuers lead to by name; first those that name an issuer which is not there. */
function openEnds(leaf: Certificate, intermediates: readonly Certificate[]): readonly Certificate[] {
  const bySubject = Map.groupBy(intermediates, ({ subject }) => nameKey(subject));
  const reached = new Set([leaf]);
  const ends: Certificate[] = [];
  const others: Certificate[] = [];
  // A set is walked in the order of its growth: each certificate once.
  for (const certificate of reached) {
    const issuers = bySubject.get(nameKey(certificate.issuer)) ?? [];
    (issuers.length === 0 ? ends : others).push(certificate);
    for (const issuer of issuers) reached.add(issuer);
  }
  return [...ends, ...others];
}

function issuerRequests(certificate: Certificate): readonly FetchRequest[] {
  return accessUrls(certificate, CA_ISSUERS).map((url) => request('certificate', url));
}

/** The valid path, or the candidates that came to an anchor and lack an answer. */
function subjectsOf(result: ValidationResult): readonly Subject[] {
  if (result.valid) return [{ path: result.path, anchor: result.anchor, reports: result.revocation }];
  return result.candidates.flatMap(({ path, anchor, failure, revocation }) =>
    anchor !== undefined && failure.reason === 'revocation_unknown'
      ? [{ path, anchor, reports: revocation }]
      : [],
  );
}

interface Undecided {
  readonly certificate: Certificate;
  readonly issuer: Pick<TrustAnchor, 'name' | 'subjectPublicKeyInfo'>;
  /** False where the pass stopped above it: an answer may be at hand that nobody has looked at. */
  readonly isLookedAt: boolean;
}

function unknownOf(
  { path, anchor, reports }: Subject,
  input: RevocationInput | undefined,
): readonly Undecided[] {
  const inScope = input?.scope === 'leaf' ? path.slice(0, 1) : path;
  return inScope.flatMap((certificate, index) => {
    const status = reports.find((report) => report.certificate === index)?.status;
    if (status === 'good' || status === 'revoked') return [];
    const above = path[index + 1];
    const issuer =
      above === undefined
        ? anchor
        : { name: above.subject, subjectPublicKeyInfo: above.subjectPublicKeyInfo };
    return [{ certificate, issuer, isLookedAt: status === 'unknown' }];
  });
}

function ocspRequests(
  { certificate, issuer }: Undecided,
  nonce: Uint8Array | undefined,
): readonly FetchRequest[] {
  const urls = accessUrls(certificate, OCSP);
  if (urls.length === 0) return [];
  const body = encodeOcspRequest({ certificate, issuer, ...(nonce === undefined ? {} : { nonce }) });
  return urls.map((url) => ({ kind: 'ocsp', url, body, fresh: nonce !== undefined }));
}

/** Complete lists and their deltas (section 4.2.1.15). */
function crlRequests({ certificate, isLookedAt }: Undecided, mode: RevocationMode): readonly FetchRequest[] {
  if (mode === 'either' && !isLookedAt) return [];
  const points = [...(certificate.cRLDistributionPoints ?? []), ...(certificate.freshestCRL ?? [])];
  return points
    .flatMap(pointUrls)
    .slice(0, MAX_LOCATIONS)
    .map((url) => request('crl', url));
}

/** Section 4.2.1.13: several names of one point lead to the same list; the first that can be fetched is enough. */
function pointUrls({ name }: DistributionPoint): readonly string[] {
  return name?.kind === 'full' ? name.names.flatMap(urlOf).slice(0, 1) : [];
}

function accessUrls(certificate: Certificate, method: string): readonly string[] {
  return (certificate.authorityInfoAccess ?? [])
    .filter((description) => description.method === method)
    .flatMap(({ location }) => urlOf(location))
    .slice(0, MAX_LOCATIONS);
}

function urlOf(name: GeneralName): readonly string[] {
  return name.kind === 'uri' && /^https?:/iu.test(name.value) ? [name.value] : [];
}

function request(kind: 'certificate' | 'crl', url: string): FetchRequest {
  return { kind, url };
}
