/**
 * What a client may be, however it came here: by configuration, by its metadata document, or by registration.
 *
 * All are public clients: they prove themselves with PKCE and, where they can, with a key of their own (DPoP). Shared
 * secrets are not given out. Responses go to https, or to a loopback address (RFC 8252 section 7.3).
 */
import { errors, type ClientMetadata } from 'oidc-provider';

const MAX_REDIRECT_URIS = 16;
const MAX_URI_CHARACTERS = 1024;
const MAX_NAME_CHARACTERS = 128;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
// Control characters, and those that make text run backwards: a name is shown to people.
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** Whether a redirect ends at the user's own machine, where any program may be listening. */
export function isLoopbackRedirect(uri: string): boolean {
  const url = URL.parse(uri);
  return url !== null && url.protocol === 'http:' && LOOPBACK.has(url.hostname);
}

/** Why responses may not be sent there, or undefined. */
export function redirectProblem(uri: unknown): string | undefined {
  if (typeof uri !== 'string' || uri.length > MAX_URI_CHARACTERS) return 'is not a URL of a sensible length';
  const url = URL.parse(uri);
  if (url === null) return 'is not an absolute URL';
  if (url.username !== '' || url.password !== '') return 'must not contain credentials';
  if (uri.includes('#')) return 'must not contain a fragment';
  // What parsing repairs, comparing as text would not see (RFC 9700 section 2.1: exact match).
  if (/[\s\\*]/u.test(uri)) return 'must not contain spaces, backslashes or wildcards';
  if (url.protocol === 'https:' || isLoopbackRedirect(uri)) return undefined;
  return 'must be https, or http to a loopback address';
}

/** Metadata as a client sends it or its document says it: nothing in it is believed yet. */
export type RawMetadata = { -readonly [Key in keyof ClientMetadata]?: unknown } & Record<string, unknown>;

/**
 * Makes metadata what is allowed here, or throws `invalid_client_metadata` or `invalid_redirect_uri`. What can be
 * replaced is replaced (RFC 7591 section 2): the answer to a registration says what became of it.
 */
export function applyClientPolicy(metadata: RawMetadata): void {
  const uris: unknown = metadata['redirect_uris'];
  if (!Array.isArray(uris) || uris.length === 0 || uris.length > MAX_REDIRECT_URIS)
    throw new errors.InvalidRedirectUri(`redirect_uris must have 1 to ${MAX_REDIRECT_URIS} members`);
  for (const uri of uris) {
    const problem = redirectProblem(uri);
    if (problem !== undefined) throw new errors.InvalidRedirectUri(`a redirect URI ${problem}`);
  }
  const name: unknown = metadata['client_name'];
  if (name !== undefined && (typeof name !== 'string' || name.length > MAX_NAME_CHARACTERS))
    throw new errors.InvalidClientMetadata(`client_name must have at most ${MAX_NAME_CHARACTERS} characters`);
  if (typeof name === 'string' && UNSHOWABLE.test(name))
    throw new errors.InvalidClientMetadata('client_name has characters that cannot be shown');

  const grants = new Set(
    Array.isArray(metadata['grant_types']) ? (metadata['grant_types'] as unknown[]) : [],
  );
  metadata['grant_types'] = grants.has('refresh_token')
    ? ['authorization_code', 'refresh_token']
    : ['authorization_code'];
  metadata['response_types'] = ['code'];
  metadata['token_endpoint_auth_method'] = 'none';
  // Loopback redirects of native clients match on any port (RFC 8252 section 7.3), and their consent is asked for every time.
  metadata['application_type'] = (uris as string[]).some(isLoopbackRedirect) ? 'native' : 'web';
  for (const unused of UNUSED) delete metadata[unused];
}

/** Of no use to a public client here; two of them would make us fetch something. */
const UNUSED = [
  // What a client may ask for is decided when it asks, and by whoever it asks.
  'scope',
  'client_secret',
  'client_secret_expires_at',
  'jwks',
  'jwks_uri',
  'sector_identifier_uri',
  'response_modes',
  'post_logout_redirect_uris',
  'initiate_login_uri',
  'default_acr_values',
  'default_max_age',
  'require_auth_time',
  'contacts',
];
