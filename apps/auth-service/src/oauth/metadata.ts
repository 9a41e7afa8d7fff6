/** Authorization server metadata (RFC 8414), also served where OpenID Connect Discovery 1.0 looks for it. */
import { SCOPES } from './scopes.ts';

export const PATHS = {
  authorization: '/oauth/authorize',
  token: '/oauth/token',
  jwks: '/oauth/jwks',
  registration: '/oauth/register',
  revocation: '/oauth/revoke',
  introspection: '/oauth/introspect',
  signOut: '/oauth/sign-out',
} as const;

/** DPoP and client metadata: what proofs may be signed with. */
export const PROOF_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA'] as const;

export function serverMetadata(
  issuer: string,
  options: { readonly allowDynamicRegistration: boolean },
): Readonly<Record<string, unknown>> {
  const at = (path: string) => `${issuer}${path}`;
  return {
    issuer,
    authorization_endpoint: at(PATHS.authorization),
    token_endpoint: at(PATHS.token),
    jwks_uri: at(PATHS.jwks),
    ...(options.allowDynamicRegistration ? { registration_endpoint: at(PATHS.registration) } : {}),
    revocation_endpoint: at(PATHS.revocation),
    revocation_endpoint_auth_methods_supported: ['none'],
    introspection_endpoint: at(PATHS.introspection),
    end_session_endpoint: at(PATHS.signOut),
    scopes_supported: SCOPES,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    // RFC 9449 section 5.1
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    // RFC 9207 section 3
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
    // Required by OpenID Connect Discovery 1.0 section 3, whose readers would refuse a document without them. ID tokens
    // are not issued.
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['EdDSA', 'ES256'],
    claims_supported: ['sub'],
  };
}

/** With the path-insertion forms (RFC 8414 section 3.1) that clients try for the resource's path. */
export function isMetadataPath(pathname: string): boolean {
  return /^\/\.well-known\/(?:oauth-authorization-server|openid-configuration)(?:\/mcp(?:\/[a-z0-9_-]{1,64})?)?$/u.test(
    pathname,
  );
}
