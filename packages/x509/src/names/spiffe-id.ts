/** SPIFFE ids (SPIFFE-ID standard, section 2), of any trust domain and any path. */

export interface SpiffeId {
  readonly trustDomain: string;
  /** With its leading slash, or empty: the trust domain's own id. */
  readonly path: string;
}

const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/u;
const SEGMENT = /^[\w.-]+$/u;
const MAX_LENGTH = 2048; // section 2.3
const SCHEME = 'spiffe://';

/** Undefined for anything that is not exactly one: no user, port, query, fragment, percent sign, dot segment or trailing slash. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > MAX_LENGTH || !text.startsWith(SCHEME)) return undefined;
  const [trustDomain = '', ...segments] = text.slice(SCHEME.length).split('/');
  if (!TRUST_DOMAIN.test(trustDomain)) return undefined;
  // Section 2.2: segments of letters, digits, dots, dashes and underscores; none empty, none relative.
  if (!segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..'))
    return undefined;
  return { trustDomain, path: segments.map((segment) => `/${segment}`).join('') };
}
