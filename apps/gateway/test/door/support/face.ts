/** The HTTPS face as it listens, with servers that do what a test wants, keys and tokens of any kind. */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { calculateJwkThumbprint, exportJWK, SignJWT, type JWK } from 'jose';
import { isRequest, resultResponse, type Message } from '@sallyport/model-context';
import { manualClock, type ManualClock } from '@sallyport/service/clock';
import { createReadiness } from '@sallyport/service/lifecycle';
import { createMetrics } from '@sallyport/service/metrics';
import { startProbes } from '@sallyport/service/process';
import { silentTracer } from '@sallyport/service/telemetry';
import { createTestAuthority, memoryLog } from '@sallyport/service/testing';
import { createDoorHttp, doorMetrics, type DoorHttp } from '../../../src/door/http/index.ts';
import type { DoorHttpPorts } from '../../../src/door/http/face.ts';
import type {
  Exchange,
  ListenCall,
  MessageCall,
  ModelContextServer,
  ProofGuard,
} from '../../../src/door/ports.ts';
import { tokenVerifier } from '../../../src/door/tokens/access-token.ts';
import { authenticator } from '../../../src/door/tokens/authenticate.ts';
import { proofVerifier } from '../../../src/door/tokens/dpop.ts';
import type { TokenKey } from '../../../src/door/tokens/keys.ts';
import { proofNonces } from '../../../src/door/tokens/nonces.ts';
import { memoryProofGuard } from '../../../src/guard/proofs.ts';
import { fakeKeys } from './guarded.ts';

export const SESSION = 'ab'.repeat(16);
export const ORIGIN = 'https://localhost:8443';

export type FaceOptions = Partial<
  Pick<DoorHttpPorts, 'allowsBearer' | 'allowedOrigins' | 'maxBodyBytes' | 'maxConcurrent' | 'publicOrigin'> &
    Pick<DoorHttpPorts, 'keepAliveMs' | 'bodyDeadlineMs' | 'forward'>
> & {
  readonly server?: Partial<ModelContextServer>;
  readonly proofs?: ProofGuard;
};

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
};

export type Face = AsyncDisposable & {
  readonly clock: ManualClock;
  readonly door: DoorHttp;
  readonly port: number;
  readonly caPem: string;
  readonly edKey: KeyObject;
  readonly ecKey: KeyObject;
  /** By `kid`; a test may take some away. */
  readonly keys: Map<string, TokenKey>;
  readonly revoked: Set<string>;
  feedIsDead: boolean;
  /** What reached a server. */
  readonly seen: (MessageCall | ListenCall)[];
  readonly refused: string[];
  exposition(): Promise<string>;
  /** A good token with these claims changed; undefined takes one away. */
  token(claims?: Readonly<Record<string, unknown>>, more?: TokenOptions): Promise<string>;
  send(request?: Send): Promise<Answer>;
  /** The response as it begins. */
  open(request?: Send): Promise<IncomingMessage>;
};

export type TokenOptions = {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly key?: KeyObject | Uint8Array;
};

export type Send = {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Default: a `ping` of 2025-11-25. An iterable is sent as it comes. */
  readonly body?: string | Uint8Array | undefined;
  /** Default: a good bearer token. */
  readonly token?: string;
};

export const PING = { jsonrpc: '2.0', id: 1, method: 'ping' } as const;

/** Answers everything with an empty result. */
export function answering(): ModelContextServer {
  return {
    send: ({ message }) =>
      Promise.resolve(isRequest(message) ? jsonOf(resultResponse(message.id, {})) : nothing(202)),
    listen: () => Promise.resolve(nothing(405)),
    end: () => Promise.resolve(nothing(200)),
  };
}

export function nothing(status: number): Exchange {
  return { status, kind: 'none', messages: streamOf([]) };
}

export function jsonOf(message: Message, status = 200): Exchange {
  return { status, kind: 'json', messages: streamOf([{ message }]) };
}

export async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

export async function startFace(options: FaceOptions = {}): Promise<Face> {
  await using building = new AsyncDisposableStack();
  const authority = await createTestAuthority();
  const metrics = createMetrics({ service: 'gateway' });
  const log = memoryLog();
  const clock = manualClock(Date.now());
  const now = (): number => clock.now();
  const probes = building.use(
    await startProbes({
      host: '127.0.0.1',
      port: 0,
      identity: await authority.identity('svc/gateway'),
      readiness: createReadiness(),
      metrics,
    }),
  );
  const ed = generateKeyPairSync('ed25519');
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = new Map<string, TokenKey>([
    ['ed-1', { algorithm: 'EdDSA', key: ed.publicKey }],
    ['ec-1', { algorithm: 'ES256', key: ec.publicKey }],
  ]);
  const revoked = new Set<string>();
  const seen: Face['seen'] = [];
  const refused: string[] = [];
  const publicOrigin = options.publicOrigin ?? ORIGIN;
  const found = { find: (name: string) => keys.get(name), refresh: () => Promise.resolve() };
  const state = { feedIsDead: false };
  const server: ModelContextServer = { ...answering(), ...options.server };
  const watched: ModelContextServer = {
    send: (call) => (seen.push(call), server.send(call)),
    listen: (call) => (seen.push(call), server.listen(call)),
    end: (call) => server.end(call),
  };
  const proofs = options.proofs ?? memoryProofGuard({ clock });
  // What was made before the guard is stale; tests begin after that.
  clock.advance(10_000);
  const allowsBearer = options.allowsBearer ?? true;
  const door = building.use(
    createDoorHttp({
      issuer: publicOrigin,
      allowedOrigins: [],
      maxBodyBytes: 1024 * 1024,
      maxConcurrent: 1_000,
      forward: undefined,
      ...options,
      ...{ publicOrigin, allowsBearer, now, log },
      port: probes.port,
      servers: { federated: watched, routes: new Map([['files', watched]]) },
      authenticate: authenticator({
        tokens: tokenVerifier({ keys: found, issuer: publicOrigin, now }),
        keys: { isCurrent: () => keys.size > 0, refresh: found.refresh },
        verifyProof: proofVerifier(),
        proofs,
        nonces: proofNonces({ keys: fakeKeys().keys, now, monotonic: now }),
        allowsBearer,
        isRevoked: (session) => revoked.has(session),
        isFeedDead: () => state.feedIsDead,
        now,
        onProblem: () => undefined,
      }),
      countRefused: (_peer, cause) => refused.push(cause),
      metrics: (gauges) => doorMetrics(metrics, gauges),
      tracer: silentTracer,
      monotonic: () => performance.now(),
    }),
  );
  building.use(probes.handle(door.mount));
  const agent = new Agent({
    ca: authority.ca.certPem,
    checkServerIdentity: () => undefined,
    keepAlive: true,
    maxSockets: 64,
  });
  building.defer(() => agent.destroy());

  async function token(
    claims: Readonly<Record<string, unknown>> = {},
    more: TokenOptions = {},
  ): Promise<string> {
    const iat = Math.floor(clock.now() / 1_000);
    const payload = {
      iss: publicOrigin,
      sub: 'user:alice',
      aud: [`${publicOrigin}/mcp`, `${publicOrigin}/mcp/files`, `${publicOrigin}/mcp/absent`],
      ...{ iat, nbf: iat, exp: iat + 600, jti: 'token-1', client_id: 'client', tenant: 'default' },
      scope: 'context:read context:call',
      sid: SESSION,
      method: 'certificate',
      ...claims,
    };
    const given = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
    const header = { alg: 'EdDSA', typ: 'at+jwt', kid: 'ed-1', ...more.header };
    return new SignJWT(given).setProtectedHeader(header).sign(more.key ?? ed.privateKey);
  }

  async function open(request: Send = {}): Promise<IncomingMessage> {
    const {
      method = 'POST',
      path = '/mcp',
      body = method === 'POST' ? JSON.stringify(PING) : undefined,
    } = request;
    const headers = Object.entries<string | readonly string[] | undefined>({
      host: new URL(publicOrigin).host,
      authorization: `Bearer ${request.token ?? (await token())}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      ...request.headers,
    }).filter((entry): entry is [string, string | readonly string[]] => entry[1] !== undefined);
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest(
        {
          host: '127.0.0.1',
          port: probes.port,
          method,
          path,
          agent,
          setHost: false,
          headers: headersOf(headers),
        },
        resolve,
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  const opened = building.move();
  return {
    ...{ clock, door, keys, revoked, seen, refused, token, open },
    port: probes.port,
    caPem: authority.ca.certPem,
    edKey: ed.privateKey,
    ecKey: ec.privateKey,
    get feedIsDead() {
      return state.feedIsDead;
    },
    set feedIsDead(value) {
      state.feedIsDead = value;
    },
    exposition: () => metrics.exposition(),
    async send(request) {
      const response = await open(request);
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        text,
        json: () => JSON.parse(text) as Record<string, unknown>,
      };
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Names and values in turn, so that a name may come twice. */
function headersOf(entries: readonly [string, string | readonly string[]][]): string[] {
  return entries.flatMap(([name, value]) => [value].flat().flatMap((each) => [name, each]));
}

export type ProofKey = { readonly privateKey: KeyObject; readonly jwk: JWK; readonly thumbprint: string };

export async function proofKey(kind: 'P-256' | 'Ed25519' = 'P-256'): Promise<ProofKey> {
  const pair =
    kind === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const jwk = await exportJWK(pair.publicKey);
  return { privateKey: pair.privateKey, jwk, thumbprint: await calculateJwkThumbprint(jwk) };
}

let proofs = 0;

/** A good proof for `POST <origin>/mcp`, with claims and header changed. */
export async function proofOf(
  key: ProofKey,
  token: string,
  nowMs: number,
  changes: {
    readonly claims?: Readonly<Record<string, unknown>>;
    readonly header?: Readonly<Record<string, unknown>>;
    readonly key?: KeyObject;
  } = {},
): Promise<string> {
  proofs += 1;
  const claims = {
    jti: `proof-${proofs}`,
    htm: 'POST',
    htu: `${ORIGIN}/mcp`,
    iat: Math.floor(nowMs / 1_000),
    ath: createHash('sha256').update(token).digest('base64url'),
    ...changes.claims,
  };
  const given = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
  const alg = key.jwk.kty === 'EC' ? 'ES256' : 'EdDSA';
  const header = { alg, typ: 'dpop+jwt', jwk: key.jwk, ...changes.header };
  return new SignJWT(given).setProtectedHeader(header).sign(changes.key ?? key.privateKey);
}
