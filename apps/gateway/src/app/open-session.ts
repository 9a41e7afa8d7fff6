/**
 * A handshake at the gateway (DESIGN.md section 3): the gateway proves itself, auth-service judges the credential from
 * the raw bytes, key-service gives the session key against the binding, policy allows `session.open`, the guard takes
 * the session on. Before ClientAuth is verified there is one agreement, one signature and, for a pre-shared key, one
 * call (PROTOCOL.md "Half-open").
 */
import type { KeyObject } from 'node:crypto';
import {
  encodeAlert,
  parseBinding,
  ServerHandshake,
  type GatewayIdentity,
  type RawHandshake,
  type Session,
  type SessionBinding,
  type SignedBinding,
} from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import {
  freezePrincipal,
  type Decision,
  type DecisionRequest,
  type Principal,
} from '@sallyport/policy-engine';
import { SallyportError } from '@sallyport/service/errors';
import { ledgerKeys } from './ledger-keys.ts';
import type { GuardSession, ReplayGuard } from './ports.ts';
import type { Share, Shares } from './shares.ts';

export type Authenticated = {
  readonly binding: SignedBinding;
  /** PX: 32 bytes in PSK mode, else absent. */
  readonly pskExport: Uint8Array | undefined;
};

export type OpenSessionPorts = {
  readonly identity: () => GatewayIdentity;
  readonly now: () => number;
  readonly provePsk: (raw: RawHandshake) => Promise<Uint8Array>;
  /** Throws `SallyportError`; `credential_invalid` when the client is not who it says. */
  readonly authenticate: (raw: RawHandshake, peerAddress: string) => Promise<Authenticated>;
  readonly createSessionKey: (
    binding: SignedBinding,
  ) => Promise<{ readonly key: KeyObject; readonly leaseNotAfterMs: number }>;
  readonly decide: (request: DecisionRequest) => Decision;
  readonly guard: Pick<ReplayGuard, 'attach' | 'close'>;
  readonly shares: Pick<Shares, 'take'>;
  /** Leaves the session so that others can take it on; one that could not be left opens all the same. Never rejects. */
  readonly leave: (guard: GuardSession, session: Session) => Promise<void>;
  /** Durable when it resolves. */
  readonly recordOpening: (opening: Opening) => Promise<void>;
  /** Tells the services that keep the session that it did not open after all. Never throws. */
  readonly discard: (sessionId: string, cause: string) => void;
  /** Told why a handshake failed for no fault of the client. */
  readonly onProblem: (error: unknown) => void;
};

export type Opening = {
  readonly sessionId: string;
  readonly principal: string;
  readonly tenant: string;
  readonly decision: Decision;
};

export type OpenedSession = {
  readonly kind: 'opened';
  /** Accept: to be sent once the session is in the table. */
  readonly frame: Uint8Array;
  readonly session: Session;
  readonly guard: GuardSession;
  readonly digestKey: KeyObject;
  readonly principal: Principal;
  /** To be left when the session is over. */
  readonly share: Share;
};

/** `cause` is for metrics and audit; `frame` is all that the client hears. */
export type Refused = { readonly kind: 'refused'; readonly frame: Uint8Array; readonly cause: string };

/** One handshake, from ClientHello to Accept. Used once. */
export type SessionOpening = {
  /** ServerHello, or the alert. */
  hello(
    clientHello: Uint8Array,
  ): Promise<{ readonly kind: 'answered'; readonly frame: Uint8Array } | Refused>;
  /** Known once `hello` answered; hex. */
  sessionId(): string | undefined;
  authenticate(clientAuth: Uint8Array): Promise<OpenedSession | Refused>;
};

export const OPEN_ACTION = 'session.open';
/** What a session is opened on: this door of the gateway. */
export const OPEN_RESOURCE = { kind: 'door', name: 'channel' } as const;
const RETRY_AFTER_MS = 1_000;

export function beginSession(
  ports: OpenSessionPorts,
  peer: { readonly address: string; readonly exporter: Uint8Array | undefined },
): SessionOpening {
  const handshake = new ServerHandshake({
    identity: ports.identity(),
    clock: ports.now,
    exporter: peer.exporter,
    pskServerProof: ports.provePsk,
  });

  /** From the binding on there is a session that others keep: if it does not open, they are told. */
  async function judge(raw: RawHandshake): Promise<OpenedSession | Refused> {
    const { binding, pskExport } = await ports.authenticate(raw, peer.address);
    const parsed = parseBinding(binding.bytes);
    if (!parsed.ok) return rejected('internal', 'binding_unreadable', '');
    const sessionId = toHex(parsed.sid);
    const share = ports.shares.take(`${parsed.tenant} ${parsed.principal}`);
    if (share === undefined) {
      ports.discard(sessionId, 'too_many_sessions');
      return rejected(
        'busy',
        'too_many_sessions',
        `${parsed.principal} has too many sessions`,
        RETRY_AFTER_MS,
      );
    }
    try {
      const result = await authorize(binding, parsed, pskExport);
      if (result.kind === 'opened') return { ...result, share };
      ports.discard(sessionId, result.cause);
      share.leave();
      return result;
    } catch (error) {
      ports.discard(sessionId, 'service_unavailable');
      share.leave();
      throw error;
    }
  }

  async function authorize(
    binding: SignedBinding,
    parsed: SessionBinding,
    pskExport: Uint8Array | undefined,
  ): Promise<Omit<OpenedSession, 'share'> | Refused> {
    const { tenant } = parsed;
    const principal = freezePrincipal({
      id: parsed.principal,
      tenant,
      method: parsed.method,
      assurance: parsed.assurance,
    });
    const { key, leaseNotAfterMs } = await ports.createSessionKey(binding);
    const decision = ports.decide({ principal, action: OPEN_ACTION, resource: OPEN_RESOURCE });
    await ports.recordOpening({ sessionId: toHex(parsed.sid), principal: principal.id, tenant, decision });
    if (decision.decision !== 'allow') {
      const detail = `${principal.id} may not open a session under policy revision ${decision.policyRevision}`;
      return rejected('denied', 'denied', detail);
    }
    return accept({ binding, parsed, pskExport, key, leaseNotAfterMs, principal });
  }

  async function accept(input: {
    binding: SignedBinding;
    parsed: SessionBinding;
    pskExport: Uint8Array | undefined;
    key: KeyObject;
    leaseNotAfterMs: number;
    principal: Principal;
  }): Promise<Omit<OpenedSession, 'share'> | Refused> {
    const sessionId = toHex(input.parsed.sid);
    const ledger = ledgerKeys(input.key, sessionId);
    const guard = await ports.guard.attach({
      sessionId,
      notAfterMs: input.parsed.notAfterMs,
      responseKey: ledger.response,
    });
    const accepted = handshake.accept({
      binding: input.binding,
      sessionKey: input.key,
      lease: { notAfterMs: input.leaseNotAfterMs },
      pskExport: input.pskExport,
    });
    if (!accepted.ok) {
      await ports.guard.close(guard);
      return { kind: 'refused', frame: accepted.alert, cause: accepted.cause };
    }
    await ports.leave(guard, accepted.session);
    return {
      kind: 'opened',
      frame: accepted.frame,
      session: accepted.session,
      guard,
      digestKey: ledger.digest,
      principal: input.principal,
    };
  }

  function rejected(
    code: 'denied' | 'busy' | 'unavailable' | 'internal',
    cause: string,
    detail: string,
    retryAfterMs = 0,
  ): Refused {
    return { kind: 'refused', frame: handshake.reject({ code, retryAfterMs, detail }), cause };
  }

  function refusedBy(error: unknown): Refused {
    if (error instanceof SallyportError && error.reason === 'credential_invalid') {
      // Which of the checks failed is for the audit log of auth-service; the wire says one thing.
      return {
        kind: 'refused',
        frame: encodeAlert(handshake.sid, 'invalid_message'),
        cause: 'credential_invalid',
      };
    }
    ports.onProblem(error);
    const detail = 'a service that opens sessions is away';
    return rejected('unavailable', 'service_unavailable', detail, RETRY_AFTER_MS);
  }

  function busy(error: unknown): Refused {
    ports.onProblem(error);
    const frame = encodeAlert(handshake.sid, 'busy', RETRY_AFTER_MS);
    return { kind: 'refused', frame, cause: 'service_unavailable' };
  }

  return {
    async hello(clientHello) {
      try {
        const answer = await handshake.onClientHello(clientHello);
        if (answer.ok) return { kind: 'answered', frame: answer.frame };
        return { kind: 'refused', frame: answer.alert, cause: answer.cause };
      } catch (error) {
        return busy(error);
      }
    },
    sessionId: () => (handshake.sid === undefined ? undefined : toHex(handshake.sid)),
    async authenticate(clientAuth) {
      const proved = handshake.onClientAuth(clientAuth);
      if (!proved.ok) return { kind: 'refused', frame: proved.alert, cause: proved.cause };
      try {
        return await judge(proved.raw);
      } catch (error) {
        return refusedBy(error);
      }
    },
  };
}
