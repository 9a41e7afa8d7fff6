/**
 * The fetcher over HTTP (RFC 5280 sections 4.2.1.13 and 4.2.2.1, RFC 6960 appendix A). The URL comes out of a certificate
 * that nobody has verified yet, so it is a stranger's: `http` and `https` only, no credentials, every address of the name
 * public unless allowed, the connection to that very address, few redirects and each judged again, one clock for all of
 * it, so many octets and no more. What is fetched is signed, so plain `http`, which the RFCs expect, loses nothing.
 */
import { lookup as lookupAddress, Resolver } from 'node:dns/promises';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { isPublicAddress } from './addresses.ts';
import type { FetchAnswer, Fetcher, FetchKind, FetchProblem, FetchRequest } from './port.ts';

export interface HttpFetcherOptions {
  /** Host names and addresses that may be private, as they stand in the URL. Any port. */
  readonly unsafeAllowPrivateHosts?: readonly string[];
  /** Of one answer, redirects included, in milliseconds. Default: 5,000. */
  readonly timeoutMs?: number;
  /** Octets of one answer. Defaults: 64 KiB for certificates and OCSP, 16 MiB for CRLs. */
  readonly maxBytes?: Partial<Record<FetchKind, number>>;
  /** Default: 3. */
  readonly maxRedirects?: number;
  /** All addresses of a name. Default: DNS; of `unsafeAllowPrivateHosts`, the system's resolver, so that its files count. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

const TIMEOUT_MS = 5_000;
const MAX_REDIRECTS = 3;
const MAX_BYTES: Record<FetchKind, number> = { certificate: 65_536, crl: 16_777_216, ocsp: 65_536 };
const MAX_URL = 2_048;

class Refusal extends Error {
  readonly problem: FetchProblem;
  constructor(problem: FetchProblem, detail: string) {
    super(detail);
    this.problem = problem;
  }
}

export function httpFetcher(options: HttpFetcherOptions = {}): Fetcher {
  return {
    async fetch(request) {
      const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
      try {
        return await follow(request, options, signal);
      } catch (error) {
        if (error instanceof Refusal) return { ok: false, problem: error.problem, detail: error.message };
        if (signal.aborted) return { ok: false, problem: 'timeout', detail: 'no whole answer in time' };
        const detail = error instanceof Error ? error.message : 'unknown';
        return { ok: false, problem: 'unreachable', detail };
      }
    },
  };
}

async function follow(
  request: FetchRequest,
  options: HttpFetcherOptions,
  signal: AbortSignal,
): Promise<FetchAnswer> {
  const maxRedirects = options.maxRedirects ?? MAX_REDIRECTS;
  let url = checkedUrl(request.url);
  for (let hop = 0; ; hop += 1) {
    const address = await permittedAddress(url, options, signal);
    const incoming = await exchange(url, address, request, signal);
    const location = redirect(incoming);
    if (location === undefined) return await answer(incoming, request.kind, options);
    incoming.destroy();
    // A POST that is answered elsewhere is no answer: RFC 9110 section 15.4 leaves following it to people.
    if (request.body !== undefined || hop >= maxRedirects)
      throw new Refusal('redirects', `redirected to ${location.slice(0, 200)}`);
    url = checkedUrl(new URL(location, url).href);
  }
}

function checkedUrl(text: string): URL {
  if (text.length > MAX_URL || !URL.canParse(text)) throw new Refusal('refused', 'not a URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Refusal('refused', `${url.protocol} is not fetched`);
  if (url.username !== '' || url.password !== '') throw new Refusal('refused', 'credentials in the URL');
  return url;
}

/** The address to connect to: looked at once, so that a name that changes in between leads nowhere else. */
async function permittedAddress(url: URL, options: HttpFetcherOptions, signal: AbortSignal): Promise<string> {
  const host = url.hostname.replace(/^\[(.*)\]$/u, '$1');
  const isAllowed = options.unsafeAllowPrivateHosts?.includes(host) === true;
  const resolve = options.resolve ?? (isAllowed ? systemAddressesOf : (name) => addressesOf(name, signal));
  const addresses = isIP(host) === 0 ? await before(resolve(host), signal) : [host];
  const [address] = addresses;
  if (address === undefined) throw new Refusal('unreachable', `${host} has no address`);
  if (!isAllowed && !addresses.every(isPublicAddress))
    throw new Refusal('refused', `${host} is not an address of the public internet`);
  return address;
}

async function systemAddressesOf(host: string): Promise<readonly string[]> {
  return (await lookupAddress(host, { all: true, order: 'verbatim' })).map(({ address }) => address);
}

/**
 * Not by the system's resolver: it has two threads of the process's pool, cannot be interrupted, and whoever writes names of
 * slow servers into certificates would keep everybody else's names waiting.
 */
async function addressesOf(host: string, signal: AbortSignal): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  signal.addEventListener('abort', () => resolver.cancel(), { once: true });
  const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const addresses = found.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (addresses.length === 0) throw new Refusal('unreachable', `${host} has no address`);
  return addresses;
}

/** A look-up cannot be cancelled, only left behind. */
function before<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('took too long')), { once: true });
    work.then(resolve, reject);
  });
}

const ACCEPT: Record<FetchKind, string> = {
  certificate: 'application/pkix-cert, application/pkcs7-mime, */*;q=0.1', // RFC 5280 section 4.2.2.1
  crl: 'application/pkix-crl, */*;q=0.1', // RFC 2585 section 4
  ocsp: 'application/ocsp-response', // RFC 6960 appendix A.1
};

function exchange(
  url: URL,
  address: string,
  { kind, body }: FetchRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const family = isIP(address);
  const pinned: NonNullable<RequestOptions['lookup']> = (_name, lookupOptions, done) => {
    if (lookupOptions.all === true) done(null, [{ address, family }]);
    else done(null, address, family);
  };
  const outgoing = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method: body === undefined ? 'GET' : 'POST',
    agent: false,
    lookup: pinned,
    signal,
    maxHeaderSize: 16 * 1024,
    headers: {
      accept: ACCEPT[kind],
      'accept-encoding': 'identity',
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/ocsp-request', 'content-length': body.length }),
    },
  });
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

function redirect(incoming: IncomingMessage): string | undefined {
  const status = incoming.statusCode ?? 0;
  return [301, 302, 303, 307, 308].includes(status) ? incoming.headers.location : undefined;
}

async function answer(
  incoming: IncomingMessage,
  kind: FetchKind,
  options: HttpFetcherOptions,
): Promise<FetchAnswer> {
  const status = incoming.statusCode ?? 0;
  if (status !== 200) {
    incoming.destroy();
    throw new Refusal('status', `answered ${status}`);
  }
  const maxBytes = options.maxBytes?.[kind] ?? MAX_BYTES[kind];
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (received > maxBytes) throw new Refusal('too_large', `more than ${maxBytes} octets`);
    chunks.push(chunk);
  }
  return { ok: true, body: new Uint8Array(Buffer.concat(chunks)), maxAgeMs: maxAgeMs(incoming) };
}

/** RFC 9111 section 5.2.2, as far as it matters to a private cache. */
function maxAgeMs(incoming: IncomingMessage): number | undefined {
  const control = incoming.headers['cache-control'] ?? '';
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/iu.test(control)) return 0;
  const seconds = /(?:^|[\s,])max-age="?(\d{1,9})/iu.exec(control)?.[1];
  if (seconds === undefined) return undefined;
  const age = /^\d{1,9}$/u.test(incoming.headers.age ?? '') ? Number(incoming.headers.age) : 0;
  return Math.max(0, (Number(seconds) - age) * 1_000);
}
