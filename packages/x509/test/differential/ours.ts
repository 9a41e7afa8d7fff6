/** What this package says of a case. */
import { anchorFrom } from '../../src/build/anchors.ts';
import { createCache } from '../../src/cache.ts';
import { parseCertificate } from '../../src/certificate/parse-certificate.ts';
import type { Certificate } from '../../src/certificate/types.ts';
import type { TrustAnchor } from '../../src/input.ts';
import type { Profile } from '../../src/profile/types.ts';
import type { Failure } from '../../src/reasons.ts';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import { createValidator } from '../../src/validate.ts';
import type { Case } from './case.ts';
import type { Role } from './draft.ts';

/** RFC 5280 section 6 and nothing else. */
const SECTION_6: Profile = { name: 'section 6', defaultPurpose: 'any', rules: [] };

export type OurVerdict = {
  /** What of the input is no certificate or list, each as `role: problem`. */
  readonly unread: readonly string[];
} & (
  | { readonly valid: true; readonly path: readonly Certificate[]; readonly anchor: Certificate | undefined }
  | {
      readonly valid: false; /** `failures`: that one, and those of every candidate. */
      readonly failure: Failure;
      readonly failures: readonly Failure[];
    }
);

const cache = createCache();

export function judgeOurselves(
  input: Case,
  strict = input.question.strict,
  asAnchor: (certificate: Certificate) => TrustAnchor = anchorFrom,
): OurVerdict {
  const unread: string[] = [];
  const read = (role: Role): Certificate[] =>
    input.certificates.flatMap((one) => {
      if (one.role !== role) return [];
      const parsed = parseCertificate(one.der);
      if (parsed.ok) return [parsed.value];
      unread.push(`${role}: ${parsed.failure.problem}`);
      return [];
    });
  const crls = input.crls.flatMap((der) => {
    const parsed = parseCertificateList(der);
    if (parsed.ok) return [parsed.value];
    unread.push(`list: ${parsed.failure.problem}`);
    return [];
  });
  const validator = createValidator({
    anchors: read('anchor').map(asAnchor),
    intermediates: [...read('intermediate'), ...read('signer')],
    profile: strict ? 'rfc5280' : SECTION_6,
    cache,
  });
  const [leaf] = read('leaf');
  if (leaf === undefined) {
    const failure: Failure = {
      reason: 'malformed',
      section: 'RFC 5280 section 4.1',
      detail: unread.join('; '),
    };
    return { valid: false, unread, failure, failures: [failure] };
  }
  const { at, purpose, name, policies, maxIntermediates, revocation } = input.question;
  const result = validator.validate(leaf, {
    at,
    purpose,
    policies,
    ...(name === undefined ? {} : { names: [name] }),
    ...(maxIntermediates === undefined ? {} : { maxIntermediates }),
    ...(revocation ? { revocation: { mode: 'crl', crls, clockSkewMs: 0 } } : {}),
  });
  if (!result.valid)
    return {
      valid: false,
      unread,
      failure: result.failure,
      failures: [result.failure, ...result.candidates.map(({ failure }) => failure)],
    };
  return { valid: true, unread, path: result.path, anchor: result.anchor.certificate };
}

/** The case with the path that we found and nothing else that could be built with. */
export function narrowed(input: Case, path: readonly Certificate[], anchor: Certificate): Case {
  const issuers = path.slice(1).map(({ der }) => ({ role: 'intermediate' as const, der }));
  const kept = input.certificates.filter(({ role }) => role === 'leaf' || role === 'signer');
  return { ...input, certificates: [...kept, ...issuers, { role: 'anchor', der: anchor.der }] };
}
