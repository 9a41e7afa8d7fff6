/** Where a deployment is reached by people and their browsers: what every configuration that names an origin checks. */
import { checked, string } from '../config/index.ts';

/** `https://host[:port]` as `URL.origin` writes it: lower case, no default port, no path (RFC 6454 section 6.2). */
export function isPublicOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).protocol === 'https:' && new URL(value).origin === value;
}

/** Of a web page or of what embeds one, as its `Origin` header has it: `scheme://host[:port]`. */
export function isPageOrigin(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, host } = new URL(value);
  return host !== '' && `${protocol}//${host}` === value;
}

/** A key of a configuration that `isPublicOrigin` has to say yes to. `env`: the variable that overrides it. */
export const publicOriginField = (options: { readonly env?: string } = {}) =>
  originField(isPublicOrigin, 'https://host[:port], in lower case and without a path', options);

/** A key of a configuration that `isPageOrigin` has to say yes to. */
export const pageOriginField = () =>
  originField(isPageOrigin, 'scheme://host[:port], as a browser writes it');

function originField(
  isGood: (value: string) => boolean,
  what: string,
  options: { readonly env?: string } = {},
) {
  return checked(string({ ...options, maxLength: 512 }), (value) =>
    isGood(value) ? [] : [{ key: [], what: 'is not an origin', hint: `Write ${what}.` }],
  );
}
