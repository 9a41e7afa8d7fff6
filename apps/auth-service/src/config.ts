/** What auth-service is told. Every key but the listener's and the lifetime has to be given: none has a safe guess. */
import {
  boolean,
  checked,
  duration,
  integer,
  list,
  object,
  optional,
  path,
  port,
  string,
  type Complaint,
  type Infer,
} from '@sallyport/service/config';
import {
  databaseConfig,
  probesConfig,
  processFields,
  publicOriginField,
  serviceAddress,
  serviceConfig,
  trustRootsFile,
} from '@sallyport/service/process';
import { certificatesConfig, type CertificatesConfig } from './certificates-config.ts';
import { MAX_SESSION_LIFETIME_MS } from './domain/limits.ts';
import { redirectProblem } from './oauth/client-policy.ts';
import { metadataDocumentFields } from './oauth/metadata-documents.ts';

const MINUTE_MS = 60_000;
/** Where people sign in and programs get tokens (docs/adr/0081). */
const oauthFields = object({
  /** Where the gateway forwards `/oauth`, `/signin` and the metadata to. */
  httpPort: port({ env: 'SALLYPORT_HTTP_PORT', allowZero: true }),
  /** Programs may register themselves (RFC 7591): for those that cannot publish a document about themselves. */
  allowDynamicRegistration: boolean({ default: false }),
  maxRegisteredClients: integer({ default: 1000, min: 1, max: 100_000 }),
  registeredClientLifetimeMs: duration({
    default: 30 * 24 * 60 * MINUTE_MS,
    min: MINUTE_MS,
    max: 366 * 24 * 60 * MINUTE_MS,
  }),
  ...metadataDocumentFields,
  /** Programs that the operator knows. */
  clients: list(
    object({
      clientId: string({ pattern: /^[A-Za-z0-9._~-]{1,128}$/u }),
      name: string({ maxLength: 128 }),
      redirectUris: list(string({ maxLength: 1024 }), { minItems: 1, maxItems: 16 }),
    }),
    { maxItems: 1000 },
  ),
});
export type OAuthConfig = Infer<typeof oauthFields>;

const fields = {
  host: string({ env: 'SALLYPORT_HOST', default: '127.0.0.1' }),
  port: port({ env: 'SALLYPORT_PORT', allowZero: true }),
  spoolDirectory: path(),
  /** As `host:port`. */
  keyAddress: serviceAddress('key-service'),
  /** Where people's calls are decided, as `host:port`. */
  policyAddress: serviceAddress('policy-service'),
  /** The one trust domain whose names are accepted. */
  trustDomain: string({ pattern: /^[a-z0-9._-]{1,128}$/u }),
  /**
   * Where people and programs reach this deployment, `https://host[:port]`: issuer of access tokens, and origin of the
   * resources that they are for. Absent: no tokens.
   */
  publicOrigin: optional(publicOriginField({ env: 'SALLYPORT_PUBLIC_ORIGIN' })),
  /** Absent: nobody signs in here, and there are no tokens but those of channel sessions. */
  oauth: optional(oauthFields),
  /** Whose certificates open sessions; absent: those of the anchors alone, without revocation. */
  certificates: optional(certificatesConfig),
  /** How long a session may live, however long its credential is good. */
  sessionLifetimeMs: duration({ default: 12 * 60 * MINUTE_MS, min: MINUTE_MS, max: MAX_SESSION_LIFETIME_MS }),
};

/** What `composeAuthService` takes. */
export const authServiceConfig = object({
  ...fields,
});
export type AuthServiceConfig = Omit<
  Infer<typeof authServiceConfig>,
  'publicOrigin' | 'oauth' | 'certificates'
> & {
  /** The certificate authorities that clients' and gateways' chains must end in: PEM, or a file that is read again. */
  readonly anchors: { readonly pem: string } | { readonly file: string };
  readonly certificates?: CertificatesConfig | undefined;
  readonly publicOrigin?: string | undefined;
  readonly oauth?: OAuthConfig | undefined;
};

/** The file of an auth-service process: the same keys, the anchors in a file of their own, and those of every process. */
export const authServiceProcessConfig = checked(
  serviceConfig({
    ...processFields('auth-service'),
    database: databaseConfig(),
    probes: probesConfig,
    ...fields,
    anchorsFile: trustRootsFile(),
  }),
  ({ publicOrigin, oauth }) => oauthProblems(publicOrigin, oauth),
);

function oauthProblems(
  publicOrigin: string | undefined,
  oauth: OAuthConfig | undefined,
): readonly Complaint[] {
  if (oauth === undefined) return [];
  const redirects = oauth.clients.flatMap(({ clientId, redirectUris }) =>
    redirectUris.flatMap((uri) => {
      const problem = redirectProblem(uri);
      if (problem === undefined) return [];
      return [
        {
          key: ['oauth', 'clients'],
          what: `has a redirect URI of ${clientId} that ${problem}`,
          hint: 'Write https://…, or http:// with localhost, 127.0.0.1 or [::1].',
        },
      ];
    }),
  );
  if (publicOrigin !== undefined) return redirects;
  return [
    ...redirects,
    {
      key: ['publicOrigin'],
      what: 'is missing, and oauth needs it: it is the issuer, and where browsers go',
      hint: 'Write the origin under which people reach the gateway: https://host[:port].',
    },
  ];
}
