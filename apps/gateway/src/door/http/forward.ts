/**
 * Sign-in, consent, tokens and metadata of the authorization server, passed on to auth-service over mutual TLS: both sides
 * compare SPIFFE names, and what the client says about itself in forwarding headers is not believed.
 */
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  chainOfDetails,
  peerVerifier,
  serviceSpiffeId,
  type Identity,
  type Trust,
} from '@sallyport/service/identity';
import type { Log } from '@sallyport/service/log';
import { answerProblem } from './answers.ts';
import { readBody } from './body.ts';
import type { Place } from './places.ts';

export type Forward = (request: IncomingMessage, response: ServerResponse, place: Place) => Promise<void>;

export type ForwardOptions = {
  /** `host:port`, or several with commas between: the first that answers is used. */
  readonly address: string;
  readonly identity: Identity;
  readonly trust: Trust;
  readonly publicOrigin: string;
  readonly onForwarded: (status: number) => void;
  readonly log: Pick<Log, 'warn'>;
};

/** Forms, tokens, client metadata: all of it is small. */
const MAX_REQUEST_BYTES = 64 * 1024;
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
const BODY_DEADLINE_MS = 10_000;
const CONNECT_MS = 2_000;
/** Over everything: a password takes its time to be checked. */
const DEADLINE_MS = 20_000;
const MAX_SOCKETS = 64;

/** RFC 9110 section 7.6.1, and what belongs to the connection in practice. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Only we say where a request came from. */
const FORWARDING = /^(?:x-forwarded-.*|x-real-ip|x-original-.*|x-rewrite-.*|forwarded|via|true-client-ip)$/u;

/**
 * Connects when first needed. `forward` always answers: 400, 404, 408, 413 or 503 of its own, else what auth-service
 * says. Rejects for nothing that the other end does.
 */
export function forwarder(options: ForwardOptions): { readonly forward: Forward } & Disposable {
  const { identity, trust, log, onForwarded } = options;
  const { host: publicHost, protocol } = new URL(options.publicOrigin);
  const targets = options.address.split(',').map((address) => {
    const at = address.lastIndexOf(':');
    return { host: address.slice(0, at).replace(/^\[(.*)\]$/u, '$1'), port: Number(address.slice(at + 1)) };
  });
  const expected = serviceSpiffeId(trust.trustDomain, 'auth-service');
  const peers = peerVerifier(trust);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    // A session that is resumed is not looked at again.
    maxCachedSessions: 0,
    minVersion: 'TLSv1.3',
    cert: identity.certPem,
    key: identity.key.export({ format: 'pem', type: 'pkcs8' }),
    ca: trust.caPem,
    // Host names are not looked at: the SPIFFE id is the name. Called after the chain was verified.
    checkServerIdentity(_host, certificate) {
      const named = peers.verify(chainOfDetails(certificate), 'server');
      if (named.ok && named.caller.spiffeId === expected) return undefined;
      return new Error(`expected ${expected}, met ${named.ok ? named.caller.spiffeId : named.problem}`);
    },
  });

  async function ask(request: IncomingMessage, body: Uint8Array): Promise<IncomingMessage> {
    let failure: unknown;
    const headers = {
      ...endToEnd(request.headers),
      host: publicHost,
      'x-forwarded-for': request.socket.remoteAddress ?? '',
      'x-forwarded-host': publicHost,
      'x-forwarded-proto': protocol.slice(0, -1),
      'content-length': body.length,
    };
    for (const target of targets) {
      try {
        return await send(
          {
            ...target,
            agent,
            method: request.method ?? 'GET',
            path: request.url ?? '/',
            servername: `auth-service.${trust.trustDomain}`,
            headers,
          },
          body,
        );
      } catch (error) {
        failure = error;
        if (!(error instanceof NotConnected)) break; // it may have been done
      }
    }
    throw failure;
  }

  async function forward(request: IncomingMessage, response: ServerResponse, place: Place): Promise<void> {
    if (!isPlain(request.url ?? '/')) {
      onForwarded(404);
      return answerProblem(response, 404, 'There is nothing at that path.');
    }
    const body = await readBody(request, {
      maxBytes: MAX_REQUEST_BYTES,
      deadlineMs: BODY_DEADLINE_MS,
      hold: place.hold,
    });
    if (typeof body === 'string') {
      const status = { too_large: 413, slow: 408, busy: 503, gone: 400 }[body];
      onForwarded(status);
      return answerProblem(response, status, `A request here has at most ${MAX_REQUEST_BYTES} bytes.`);
    }
    let answered: IncomingMessage;
    try {
      answered = await ask(request, body);
    } catch (error) {
      log.warn('auth-service could not be asked', { error });
      onForwarded(503);
      return answerProblem(response, 503, 'Signing in is not possible now. Try again.');
    }
    const status = answered.statusCode ?? 502;
    onForwarded(status);
    response.writeHead(status, endToEnd(answered.headers));
    // Broken off on either side, both are: a page that ends early must not look whole.
    await pipeline(answered, bounded(MAX_RESPONSE_BYTES), response).catch(() => response.destroy());
  }

  return { forward, [Symbol.dispose]: () => agent.destroy() };
}

class NotConnected extends Error {}

function send(options: RequestOptions, body: Uint8Array): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let isConnected = false;
    const outgoing = httpsRequest(options, (answered) => {
      answered.once('close', () => clearTimeout(deadline));
      resolve(answered);
    });
    const connecting = setTimeout(() => outgoing.destroy(new Error('no connection in time')), CONNECT_MS);
    const deadline = setTimeout(() => outgoing.destroy(new Error('no answer in time')), DEADLINE_MS);
    const onConnected = (): void => {
      isConnected = true;
      clearTimeout(connecting);
    };
    outgoing.once('socket', (socket) => {
      // One that was kept has its handshake behind it.
      if (outgoing.reusedSocket) onConnected();
      else socket.once('secureConnect', onConnected);
    });
    outgoing.once('close', () => {
      clearTimeout(connecting);
      clearTimeout(deadline);
    });
    outgoing.once('error', (error) => {
      clearTimeout(connecting);
      clearTimeout(deadline);
      reject(isConnected ? error : new NotConnected(error.message, { cause: error }));
    });
    outgoing.end(body);
  });
}

/** No way around which paths are passed on: nothing that a parser at the other end would read as another path. */
function isPlain(url: string): boolean {
  const [path = ''] = url.split('?', 1);
  return (
    url.startsWith('/') &&
    !/[\\\s#]|%2e|%2f|%5c|\/\//iu.test(path) &&
    URL.parse(path, 'https://sallyport.invalid')?.pathname === path
  );
}

function endToEnd(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const kept: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (HOP_BY_HOP.has(name) || FORWARDING.test(name) || named.includes(name)) continue;
    kept[name] = value;
  }
  return kept;
}

function bounded(maxBytes: number): Transform {
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      length += chunk.length;
      if (length > maxBytes) done(new RangeError(`the answer has more than ${maxBytes} bytes`));
      else done(null, chunk);
    },
  });
}
