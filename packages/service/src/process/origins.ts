/** Where a deployment is reached by people and their browsers: what every configuration that names an origin checks. */

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
