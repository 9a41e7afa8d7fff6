/**
 * Fetches what a stranger names: a client's metadata document. Whoever can name a URL could otherwise make us ask things
 * that only we can reach (server-side request forgery).
 *
 * https only, on the default port unless the host is allowed by name; names are resolved once, every address must be
 * public, and the connection goes to that very address; JSON, no redirects, no credentials, 64 KiB, 3 s in all.
 */
import { lookup as lookupAddress } from 'node:dns/promises';
import { request, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { isPublicAddress } from '@sallyport/x509/fetch';

export const MAX_DOCUMENT_BYTES = 64 * 1024;
const TIMEOUT_MS = 3_000;
const AGAIN_AFTER_MS = 5_000;
const MAX_FAILURES = 1024;
const JSON_TYPE = /^application\/(?:[\w.!#$&^-]+\+)?json\s*(?:;|$)/iu;

export type GuardedFetchOptions = {
  /** Host names that may have private addresses, and any port: metadata documents of one's own network. */
  readonly allowPrivateHosts: readonly string[];
  /** PEM; default: the public authorities. */
  readonly caPem?: string | undefined;
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  readonly timeoutMs?: number;
};

export type GuardedFetch = (
  url: string | URL,
  options?: { readonly headers?: RequestInit['headers'] },
) => Promise<Response>;

/** Rejects with an `Error` that says why, for the log; a caller's answer should not. */
export function guardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const resolve = options.resolve ?? addressesOf;
  return async (input, init = {}) => {
    const url = new URL(input);
    const host = url.hostname.replace(/^\[(.*)\]$/u, '$1');
    const isTrusted = options.allowPrivateHosts.includes(host);
    if (url.protocol !== 'https:') throw new Error('not https');
    if (url.username !== '' || url.password !== '') throw new Error('credentials in the URL');
    if (!isTrusted && url.port !== '') throw new Error('not the port of https');
    // One clock for all of it, the name included.
    const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
    const addresses = isIP(host) === 0 ? await before(resolve(host), signal) : [host];
    const [address] = addresses;
    if (address === undefined) throw new Error('the name has no address');
    if (!isTrusted && !addresses.every(isPublicAddress))
      throw new Error('not an address of the public internet');
    return get(url, {
      address,
      host,
      signal,
      caPem: options.caPem,
      accept: new Headers(init.headers).get('accept'),
    });
  };
}

/** What failed is not tried again at once: one bad request must not become several of ours. */
export function rememberingFailures(fetch: GuardedFetch, monotonic: () => number): GuardedFetch {
  const failures = new Map<string, number>();
  return async (input, init) => {
    const url = String(input);
    if ((failures.get(url) ?? -Infinity) > monotonic()) throw new Error('failed a moment ago');
    try {
      return await fetch(input, init);
    } catch (error) {
      failures.delete(url);
      if (failures.size >= MAX_FAILURES) failures.delete(failures.keys().next().value ?? '');
      failures.set(url, monotonic() + AGAIN_AFTER_MS);
      throw error;
    }
  };
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookupAddress(host, { all: true, order: 'verbatim' })).map(({ address }) => address);
}

function before<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('took too long')), { once: true });
    work.then(resolve, reject);
  });
}

type Get = {
  readonly address: string;
  readonly host: string;
  readonly signal: AbortSignal;
  readonly caPem: string | undefined;
  readonly accept: string | null;
};

function get(url: URL, { address, host, signal, caPem, accept }: Get): Promise<Response> {
  const family = isIP(address);
  // The connection goes to the address that was looked at: a name that changes in between leads nowhere else.
  const pinned: NonNullable<RequestOptions['lookup']> = (_name, lookupOptions, done) => {
    if (lookupOptions.all === true) done(null, [{ address, family }]);
    else done(null, address, family);
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: 'GET',
        agent: false,
        lookup: pinned,
        signal,
        minVersion: 'TLSv1.2',
        maxHeaderSize: 16 * 1024,
        headers: { accept: accept ?? 'application/json', 'accept-encoding': 'identity' },
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ...(caPem === undefined ? {} : { ca: caPem }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let received = 0;
        incoming.on('data', (chunk: Buffer) => {
          received += chunk.length;
          if (received > MAX_DOCUMENT_BYTES) incoming.destroy(new Error('larger than 64 KiB'));
          else chunks.push(chunk);
        });
        incoming.once('error', reject);
        incoming.once('end', () => {
          const status = incoming.statusCode ?? 0;
          // A redirect is an answer like any other: not a document.
          if (status !== 200) return reject(new Error(`answered ${status}`));
          // What users upload is served too, but seldom as JSON: whoever may put a text there is not the client of that name.
          if (!JSON_TYPE.test(incoming.headers['content-type'] ?? ''))
            return reject(new Error('is not JSON'));
          const headers = new Headers();
          for (const name of ['cache-control', 'content-type', 'expires']) {
            const value = incoming.headers[name];
            if (typeof value === 'string') headers.set(name, value);
          }
          resolve(new Response(Buffer.concat(chunks), { status, headers }));
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}
