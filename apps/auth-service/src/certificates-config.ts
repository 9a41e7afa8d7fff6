/** Whose certificates open sessions, and as whom: the own trust domain and those of others. */
import {
  boolean,
  checked,
  list,
  object,
  oneOf,
  optional,
  path,
  string,
  type Complaint,
  type Infer,
} from '@sallyport/service/config';
import { trustRootsFile } from '@sallyport/service/process';
import { mayMeet, NAME_KINDS, ruleProblem } from './domain/identity-rule.ts';

const OID = /^[0-2](?:\.\d{1,20}){1,20}$/u;

const revocation = object({
  /** `either`: one good answer is enough. `both`: a list and an OCSP answer. */
  mode: oneOf(['none', 'crl', 'ocsp', 'either', 'both'], { default: 'none' }),
  /** What a status that cannot be found out means: `hard` refuses, `soft` accepts and counts. */
  onUnknown: oneOf(['hard', 'soft'], { default: 'hard' }),
  /** Lists in DER or PEM, read again when they change. */
  crlFiles: list(path(), { maxItems: 64, default: [] }),
  /** Ask the locations that certificates name (CRL distribution points, OCSP, issuers), public addresses only. */
  fetch: boolean({ default: false }),
  /** Hosts that may be asked though their addresses are private. */
  unsafeAllowPrivateHosts: list(string({ maxLength: 253 }), { maxItems: 64, default: [] }),
});

const policyFields = {
  /** Untrusted certificates to build paths with, besides those that are sent (PEM). */
  intermediatesFile: optional(path()),
  /** Extended key usages besides clientAuth that a client's path must allow. */
  requiredUsages: list(string({ pattern: OID, hint: 'Write the OID in dotted decimal.' }), {
    maxItems: 16,
    default: [],
  }),
  /** Who is refused: a file of `certificate <SHA-256>`, `key <SHA-256>` and `serial <SHA-256 of the issuer's key> <serial>`. */
  denyListFile: optional(path()),
  revocation: optional(revocation),
};

const trustDomain = checked(
  object({
    /** For logs and metrics. Which names it may give is what `identities` say. */
    name: string({ pattern: /^[a-z0-9._-]{1,128}$/u }),
    anchorsFile: trustRootsFile(),
    /** `mcp-client` asks for a SPIFFE name; `rfc5280` takes any certificate for clients. */
    profile: oneOf(['mcp-client', 'rfc5280'], { default: 'mcp-client' }),
    ...policyFields,
    /** The first that fits says who it is. */
    identities: list(
      object({
        from: oneOf(NAME_KINDS),
        pattern: string({ maxLength: 512 }),
        principal: string({ maxLength: 128 }),
      }),
      { minItems: 1, maxItems: 64 },
    ),
    /** Lets the other authority name any principal of ours. */
    unsafeAllowAnyPrincipal: boolean({ default: false }),
  }),
  ({ identities, unsafeAllowAnyPrincipal }) =>
    identities.flatMap((rule, index): readonly Complaint[] => {
      const problem = ruleProblem(rule, unsafeAllowAnyPrincipal);
      if (problem === undefined) return [];
      return [
        { key: ['identities', String(index)], what: problem, hint: 'docs/operations.md, Certificates' },
      ];
    }),
);

/** The `certificates` of auth-service's file and of sallyport.yaml. */
export const certificatesConfig = checked(
  object({
    ...policyFields,
    /** Authorities of others whose clients are welcome. */
    trustDomains: list(trustDomain, { maxItems: 64, default: [] }),
  }),
  ({ trustDomains }) => {
    const names = trustDomains.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined)
      return [
        { key: ['trustDomains'], what: `names ${twice} twice`, hint: 'Put its anchors into one file.' },
      ];
    return trustDomains.flatMap((one, index) =>
      trustDomains.slice(index + 1).flatMap((other) => confusionOf(one, other)),
    );
  },
);

/** One authority must not be able to name another's clients. */
function confusionOf(one: TrustDomainConfig, other: TrustDomainConfig): readonly Complaint[] {
  if (one.unsafeAllowAnyPrincipal || other.unsafeAllowAnyPrincipal) return [];
  const met = one.identities.flatMap((rule) =>
    other.identities
      .filter((candidate) => mayMeet(rule, candidate))
      .map(({ principal }) => [rule.principal, principal]),
  );
  return met.slice(0, 1).map(([first = '', second = '']) => ({
    key: ['trustDomains'],
    what: `${one.name} (${first}) and ${other.name} (${second}) could name one principal`,
    hint: 'Give each a prefix of its own.',
  }));
}

export type CertificatesConfig = Infer<typeof certificatesConfig>;
export type TrustDomainConfig = Infer<typeof trustDomain>;
export type CertificatePolicy = Pick<
  CertificatesConfig,
  'intermediatesFile' | 'requiredUsages' | 'denyListFile' | 'revocation'
>;
