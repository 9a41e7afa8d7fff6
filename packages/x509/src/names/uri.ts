/** URIs in certificates (RFC 5280 sections 4.2.1.6, 4.2.1.10 and 7.4). */
import { fullHostName, hostName, isInDomain } from './dns.ts';

// RFC 3986 section 3: the characters of each part, no more.
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/u;
const URI_CHARACTERS = /^(?:[\w!$&'()*+,;=:@/?#[\].~-]|%[0-9A-Fa-f]{2})*$/u;
const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/u;
const USER_AND_PORT = /^(?:[^@[\]]*@)?([^@:[\]]+)(?::\d*)?$/u;

/** Whether the text is an absolute URI: a scheme, and nothing but a URI's characters. */
export function isUri(text: string): boolean {
  return SCHEME.test(text) && URI_CHARACTERS.test(text);
}

/** The host of the authority, in lower case; undefined when there is none or it is no name (an address, percent signs). */
export function uriHost(text: string): string | undefined {
  if (!isUri(text)) return undefined;
  const authority = AUTHORITY.exec(text)?.[1];
  if (authority === undefined) return undefined;
  const host = USER_AND_PORT.exec(authority)?.[1];
  return host === undefined ? undefined : fullHostName(host);
}

/** Scheme and host in lower case, the rest as it stood (section 7.4); undefined when it is no URI. */
export function comparableUri(text: string): string | undefined {
  if (!isUri(text)) return undefined;
  const colon = text.indexOf(':');
  const scheme = text.slice(0, colon).toLowerCase();
  const authority = AUTHORITY.exec(text)?.[1];
  if (authority === undefined) return scheme + text.slice(colon);
  const at = authority.lastIndexOf('@') + 1;
  const rest = text.slice(colon + 3 + authority.length);
  return `${scheme}://${authority.slice(0, at)}${authority.slice(at).toLowerCase()}${rest}`;
}

/** What a URI constraint holds: one host, or with a period before it every host below a domain. */
export type UriSubtree =
  | { readonly form: 'host'; readonly host: string }
  | { readonly form: 'domain'; readonly domain: string }
  | { readonly form: 'all' };

/** Undefined when the text is none of the forms: a whole URI, an address. */
export function uriSubtree(text: string): UriSubtree | undefined {
  if (text === '') return { form: 'all' };
  if (text.startsWith('.')) {
    const domain = hostName(text.slice(1));
    return domain === undefined ? undefined : { form: 'domain', domain };
  }
  const host = fullHostName(text);
  return host === undefined ? undefined : { form: 'host', host };
}

export function isUriWithin(host: string, subtree: UriSubtree): boolean {
  switch (subtree.form) {
    case 'host':
      return host === subtree.host;
    case 'domain':
      return host.length > subtree.domain.length && isInDomain(host, subtree.domain);
    case 'all':
      return true;
  }
}
