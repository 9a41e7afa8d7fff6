/**
 * Which names this door answers to, and which web pages may use it (DNS rebinding; Model Context Protocol "Streamable HTTP",
 * "Security"). On a machine's own loopback names are compared and ports are not: what is forwarded to us there is ours.
 */

export type HostRules = {
  /** `host` header; absent is no name of ours. */
  isHost(host: string | undefined): boolean;
  /** `Origin` header: of a web page, or `null`. */
  isOrigin(origin: string): boolean;
  /** What a proof may name as the URL of this path: never what the request says of itself. */
  urlsOf(path: string): ReadonlySet<string>;
};

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::\d{1,5})?$/iu;
/** Paths whose URLs are remembered. */
const MAX_PATHS = 256;

/** Throws `TypeError` for a `publicOrigin` that is no URL. */
export function hostRules(options: {
  readonly publicOrigin: string;
  readonly allowedOrigins: readonly string[];
  /** Where this process listens, which on loopback may be another than the public one. */
  readonly port: number;
}): HostRules {
  const { publicOrigin, port } = options;
  const own = new URL(publicOrigin);
  const isLoopback = LOOPBACK.has(own.hostname);
  const allowed = new Set([publicOrigin, ...options.allowedOrigins]);
  const origins = new Set([publicOrigin]);
  if (isLoopback)
    for (const name of LOOPBACK) {
      origins.add(new URL(`https://${name}:${own.port === '' ? 443 : own.port}`).origin);
      origins.add(new URL(`https://${name}:${port}`).origin);
    }
  const urls = new Map<string, ReadonlySet<string>>();

  return {
    isHost(host = '') {
      const name = HOST.exec(host)?.[1]?.toLowerCase();
      if (name === undefined) return false;
      if (isLoopback) return LOOPBACK.has(name);
      const lower = host.toLowerCase();
      return lower === own.host || (own.port === '' && lower === `${own.hostname}:443`);
    },
    isOrigin(origin) {
      if (allowed.has(origin)) return true;
      return isLoopback && LOOPBACK.has(URL.parse(origin)?.hostname ?? '');
    },
    urlsOf(path) {
      const known = urls.get(path);
      if (known !== undefined) return known;
      const made = new Set(Array.from(origins, (origin) => `${origin}${path}`));
      if (urls.size < MAX_PATHS) urls.set(path, made);
      return made;
    },
  };
}
