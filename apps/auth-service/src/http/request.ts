/** A request as the gateway forwards it: whom to believe about what, and a body of bounded size. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { chainOf, type PeerVerifier } from '@sallyport/service/identity';
import { parseSource, UNKNOWN_SOURCE } from '../domain/source.ts';

const MAX_FORM_BYTES = 16 * 1024;

/** Whether the other end is a gateway of ours. Asked of every request: connections are long. */
export function isGateway(request: IncomingMessage, peers: PeerVerifier): boolean {
  const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
  const identified = certificate && peers.verify(chainOf(certificate), 'client');
  return (
    identified?.ok === true && identified.caller.kind === 'service' && identified.caller.name === 'gateway'
  );
}

/** The browser's or program's address, as the gateway saw it: one address, or `unknown`. */
export function sourceOf(request: IncomingMessage): string {
  const header = request.headers['x-forwarded-for'];
  return typeof header === 'string' ? parseSource(header.trim()) : UNKNOWN_SOURCE;
}

/**
 * Makes the request one to the public origin, whatever names it came under: nothing that is answered is made of what a
 * client wrote into a header.
 */
export function underOrigin(request: IncomingMessage, issuer: string): void {
  for (const name of Object.keys(request.headers)) {
    if (name === 'forwarded' || name.startsWith('x-forwarded-') || name === 'x-http-method-override')
      delete request.headers[name];
  }
  request.headers.host = new URL(issuer).host;
}

/** Undefined when it is not a form, too large, or not text. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const [type] = (request.headers['content-type'] ?? '').split(';', 1);
  if (type?.trim().toLowerCase() !== 'application/x-www-form-urlencoded') return undefined;
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (received > MAX_FORM_BYTES) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
