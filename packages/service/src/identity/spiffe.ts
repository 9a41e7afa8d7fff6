/**
 * SPIFFE ids of this system (SPIFFE-ID standard, section 2), parsed totally and strictly.
 *
 * `spiffe://<trust domain>/<svc|user|workload|device>/<name>`, nothing before, between or after. One text per id:
 * whatever parses formats back to the same text, so ids are compared as strings.
 */

/** Sallyport's own services; an allow-list or a configuration that names another is a mistake. */
export const SERVICE_NAMES = [
  'gateway',
  'auth-service',
  'key-service',
  'policy-service',
  'audit-service',
] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

export const PRINCIPAL_KINDS = ['user', 'workload', 'device'] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

/** `user:alice`, `workload:batch`, `device:42`. */
export type PrincipalId = `${PrincipalKind}:${string}`;

export type SpiffeKind = 'svc' | PrincipalKind;

export interface SpiffeId {
  readonly trustDomain: string;
  readonly kind: SpiffeKind;
  readonly name: string;
}

// SPIFFE-ID section 2.1: lower-case letters, digits, dots, dashes and underscores. 255 bytes: the host part's bound.
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/u;
const NAME = /^[a-z0-9._-]{1,64}$/u;
const KINDS: ReadonlySet<string> = new Set(['svc', ...PRINCIPAL_KINDS]);
// SPIFFE-ID section 2.3: an id is at most 2048 bytes.
const MAX_LENGTH = 2048;
const SCHEME = 'spiffe://';

/** Narrows to one of Sallyport's own services. */
export function isServiceName(name: string): name is ServiceName {
  return (SERVICE_NAMES as readonly string[]).includes(name);
}

/** Whether `text` may stand as a trust domain. */
export function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text) && !onlyDots(text);
}

/** The parts of a SPIFFE id, or `undefined` for anything that is not exactly one. Never throws. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > MAX_LENGTH || !text.startsWith(SCHEME)) return undefined;
  const parts = text.slice(SCHEME.length).split('/');
  const [trustDomain, kind, name] = parts;
  if (parts.length !== 3 || trustDomain === undefined || kind === undefined || name === undefined)
    return undefined;
  if (!isTrustDomain(trustDomain) || !isKind(kind) || !isName(name)) return undefined;
  return { trustDomain, kind, name };
}

/** The text of an id. Throws `TypeError` for parts that could not be parsed back. */
export function formatSpiffeId(id: SpiffeId): string {
  if (!isTrustDomain(id.trustDomain) || !isKind(id.kind) || !isName(id.name)) {
    throw new TypeError(`not the parts of a SPIFFE id: ${JSON.stringify(id)}`);
  }
  return `${SCHEME}${id.trustDomain}/${id.kind}/${id.name}`;
}

/** `spiffe://<trust domain>/svc/<name>`. Throws `TypeError` for a service that does not exist. */
export function serviceSpiffeId(trustDomain: string, name: string): string {
  if (!isServiceName(name)) {
    throw new TypeError(`"${name}" is not a service; the services are ${SERVICE_NAMES.join(', ')}`);
  }
  return formatSpiffeId({ trustDomain, kind: 'svc', name });
}

/** `user:alice` to `spiffe://<trust domain>/user/alice`. Throws `TypeError` for anything but a principal id. */
export function principalSpiffeId(trustDomain: string, principal: string): string {
  const parsed = parsePrincipalId(principal);
  if (parsed === undefined) throw new TypeError(`"${principal}" is not a principal id like user:alice`);
  return formatSpiffeId({ trustDomain, ...parsed });
}

/** The parts of a principal id, or `undefined`. Never throws. */
export function parsePrincipalId(
  text: string,
): { readonly kind: PrincipalKind; readonly name: string } | undefined {
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(colon, 0));
  const name = text.slice(colon + 1);
  return isPrincipalKind(kind) && isName(name) ? { kind, name } : undefined;
}

function isPrincipalKind(kind: string): kind is PrincipalKind {
  return (PRINCIPAL_KINDS as readonly string[]).includes(kind);
}

function isKind(kind: string): kind is SpiffeKind {
  return KINDS.has(kind);
}

function isName(name: string): boolean {
  return NAME.test(name) && !onlyDots(name);
}

/** SPIFFE-ID section 2.2: path segments are never relative. */
function onlyDots(text: string): boolean {
  return text === '.' || text === '..';
}
