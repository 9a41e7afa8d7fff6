/** The authorization server as one resource: its secret opened, its provider made, its listener, its upkeep. */
import type { IncomingMessage } from 'node:http';
import type { Identity, Trust } from '@sallyport/service/identity';
import type { Metrics } from '@sallyport/service/metrics';
import { sha256, utf8 } from '@sallyport/crypto';
import { keepClient } from '../oauth/adapter.ts';
import { guardedFetch, rememberingFailures, type GuardedFetchOptions } from '../oauth/guarded-fetch.ts';
import type { OAuthPorts } from '../oauth/ports.ts';
import { createProvider, type StaticClient } from '../oauth/provider.ts';
import { sealedRecords } from '../oauth/sealed-records.ts';
import type { DerivedKeys } from '../oauth/secret.ts';
import { throttle } from '../oauth/throttle.ts';
import { sourceNetwork, UNKNOWN_SOURCE } from '../domain/source.ts';
import { startListener, type Listener } from './listener.ts';
import { route, type RouterParts } from './router.ts';

export type AuthorizationServerConfig = {
  readonly host: string;
  readonly httpPort: number;
  /** Public origin. */
  readonly issuer: string;
  readonly allowDynamicRegistration: boolean;
  readonly maxRegisteredClients: number;
  readonly registeredClientLifetimeMs: number;
  readonly clients: readonly StaticClient[];
  readonly sessionLifetimeMs: number;
  readonly fetch: GuardedFetchOptions;
};

export type AuthorizationServerParts = {
  readonly ports: OAuthPorts;
  /** Resolves when key-service has opened the secret; rejects with `unavailable` until then. */
  readonly openKeys: () => Promise<DerivedKeys>;
  readonly identity: Identity;
  readonly trust: Trust;
  readonly metrics: Metrics;
  readonly random: (length: number) => Uint8Array;
  readonly now: () => number;
  readonly monotonic: () => number;
  /** Told of each step, for the audit log. */
  readonly onSignIn: RouterParts['onOutcome'];
  readonly onProblem: (error: unknown) => void;
};

export type AuthorizationServer = Listener & {
  /** Rejects until it can answer. */
  ready(): Promise<void>;
  /** Forgets what is over; resolves to how many. */
  sweep(): Promise<number>;
};

const FETCHES_A_MINUTE = 240;
const FETCHES_PER_SOURCE = 30;
const REGISTRATIONS_PER_SOURCE = 60;
/** Each of them is a row for ten minutes. */
const AUTHORIZATIONS_PER_SOURCE = 600;
const REGISTRATION_WINDOW_MS = 10 * 60_000;
const SWEEP_BATCH = 1000;

export async function startAuthorizationServer(
  config: AuthorizationServerConfig,
  parts: AuthorizationServerParts,
): Promise<AuthorizationServer> {
  const { ports, metrics, monotonic, now } = parts;
  const answers = metrics.counter({
    name: 'auth_oauth_requests_total',
    help: 'Requests to the authorization server by endpoint and class of answer',
    labels: ['endpoint', 'answer'],
  });
  const outcomes = metrics.counter({
    name: 'auth_sign_in_steps_total',
    help: 'Steps of signing in: passwords, consents, forged forms',
    labels: ['outcome'],
  });
  const registrations = throttle({
    limit: REGISTRATIONS_PER_SOURCE,
    windowMs: REGISTRATION_WINDOW_MS,
    monotonic,
  });

  let made: Promise<RouterParts> | undefined;
  const router = (): Promise<RouterParts> =>
    (made ??= makeRouter(config, parts, registrations, (outcome, sourceAddress) => {
      outcomes.add({ outcome });
      parts.onSignIn(outcome, sourceAddress);
    }).catch((error: unknown) => {
      made = undefined; // key-service was away: the next one asks again
      throw error;
    }));

  const listener = await startListener({
    host: config.host,
    port: config.httpPort,
    identity: parts.identity,
    trust: parts.trust,
    handle: async (request, response, name) => route(await router(), request, response, name),
    onAnswer: (endpoint, status) => answers.add({ endpoint, answer: `${Math.trunc(status / 100)}xx` }),
    onProblem: parts.onProblem,
  });
  return {
    port: listener.port,
    ready: async () => void (await router()),
    sweep: async () => {
      let total = 0;
      for (;;) {
        const count = await ports.store.records.sweep(now(), SWEEP_BATCH);
        total += count;
        if (count < SWEEP_BATCH) return total;
      }
    },
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

async function makeRouter(
  config: AuthorizationServerConfig,
  parts: AuthorizationServerParts,
  registrations: RouterParts['registrations'],
  onOutcome: RouterParts['onOutcome'],
): Promise<RouterParts> {
  const { ports, now } = parts;
  const { issuer } = config;
  const keys = await parts.openKeys();
  const sealed = sealedRecords(keys, parts.random);
  const aMinute = { windowMs: 60_000, monotonic: parts.monotonic };
  const fetches = throttle({ limit: FETCHES_A_MINUTE, ...aMinute });
  const fetchesOf = throttle({ limit: FETCHES_PER_SOURCE, ...aMinute });
  const sources = new WeakMap<IncomingMessage, string>();
  const { records } = ports.store;
  const adapter = {
    ...{ records, sealed, sessions: ports.sessions, now },
    maxClients: config.maxRegisteredClients,
    clientLifetimeMs: config.registeredClientLifetimeMs,
  };
  const provider = createProvider({
    ...{ ...config, keys, adapter },
    issueAccessToken: ports.issueAccessToken,
    passwordSetAt: ports.passwordSetAt,
    fetch: rememberingFailures(guardedFetch(config.fetch), parts.monotonic),
    // Of its source first: who asks for too many leaves room for others.
    mayFetch: (request) =>
      (request === undefined || fetchesOf.admit(sourceNetwork(sources.get(request) ?? UNKNOWN_SOURCE))) &&
      fetches.admit('all'),
    onServerError: parts.onProblem,
  });
  const handleProvider = provider.callback();
  return {
    issuer,
    provider,
    csrfKey: keys.csrf,
    ports,
    staticClients: new Set(config.clients.map(({ clientId }) => clientId)),
    onOutcome,
    keepClient: (clientId) => keepClient(adapter, clientId),
    handleProvider: (request, response, source) => {
      sources.set(request, source);
      return handleProvider(request, response);
    },
    allowDynamicRegistration: config.allowDynamicRegistration,
    registrations,
    authorizations: throttle({ limit: AUTHORIZATIONS_PER_SOURCE, ...aMinute }),
    claimProof: async (tokenId, notAfterMs) => {
      const id = sealed.hash('id', 'Proof', Buffer.from(sha256(utf8(tokenId))).toString('hex'));
      const record = { model: 'Proof', id, grant: undefined, uid: undefined, sealed: new Uint8Array(0) };
      return (await records.insert({ ...record, expiresAt: notAfterMs }, now())) === 'inserted';
    },
    now,
  };
}
