/**
 * The provider's models over our store. A grant is a token session: it is found while that session is open, and
 * destroying it ends the session.
 */
import { errors, type Adapter, type AdapterFactory, type AdapterPayload } from 'oidc-provider';
import type { OAuthRecords, TokenSessions } from './ports.ts';
import type { SealedRecords } from './sealed-records.ts';

export type AdapterPorts = {
  readonly records: OAuthRecords;
  readonly sealed: SealedRecords;
  readonly sessions: Pick<TokenSessions, 'find' | 'end'>;
  readonly now: () => number;
  /** Registered clients at once, and how long one is kept. */
  readonly maxClients: number;
  readonly clientLifetimeMs: number;
};

/** Models whose rows belong to a grant, and go with it. */
const OF_A_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);
/** A code or token that is looked for again after its end: the provider says what it was. */
const GRACE_MS = 15_000;

export function adapterFactory(ports: AdapterPorts): AdapterFactory {
  return (model) => (model === 'Grant' ? grants(ports) : rows(ports, model));
}

/** A registered client that somebody allowed makes room for no other. Repeating is harmless, as are clients of other kinds. */
export async function keepClient(
  { records, sealed, now }: Pick<AdapterPorts, 'records' | 'sealed' | 'now'>,
  clientId: string,
): Promise<void> {
  await records.consume('Client', sealed.hash('id', 'Client', clientId), now());
}

function rows(ports: AdapterPorts, model: string): Adapter {
  const { records, sealed, sessions, now } = ports;
  const idOf = (name: string) => sealed.hash('id', model, name);
  const grantOf = (name: string) => sealed.hash('grant', '', name);

  async function find(by: 'id' | 'uid', hash: Uint8Array): Promise<AdapterPayload | undefined> {
    const found = await records.find(model, by, hash, now());
    const payload = found && sealed.open(model, found);
    if (payload === undefined) return undefined;
    // A client that was consumed is one that somebody allowed.
    return found?.consumedAt === undefined || model === 'Client'
      ? payload
      : { ...payload, consumed: Math.trunc(found.consumedAt / 1000) };
  }

  return {
    find: (id) => find('id', idOf(id)),
    findByUid: (uid) => find('uid', sealed.hash('uid', model, uid)),
    // Only of the device flow, which is off.
    findByUserCode: async () => undefined,
    upsert: async (id, payload, expiresIn) => {
      const hash = idOf(id);
      const lifetimeMs = expiresIn === undefined ? ports.clientLifetimeMs : expiresIn * 1000 + GRACE_MS;
      const record = {
        model,
        id: hash,
        grant: OF_A_GRANT.has(model) && payload.grantId !== undefined ? grantOf(payload.grantId) : undefined,
        uid:
          model === 'Session' && payload.uid !== undefined
            ? sealed.hash('uid', model, payload.uid)
            : undefined,
        sealed: sealed.seal(model, hash, payload),
        expiresAt: now() + lifetimeMs,
      };
      if (model === 'ReplayDetection') {
        // The provider looks first and then writes: of two at once, on two replicas, only one may write.
        if ((await records.insert(record, now())) === 'exists')
          throw new errors.InvalidDpopProof('DPoP proof JWT Replay detected');
      } else if (model === 'Client') {
        if ((await records.insert(record, now(), ports.maxClients)) === 'full')
          throw new errors.TemporarilyUnavailable('no more clients can be registered now');
      } else await records.put(record);
    },
    consume: async (id) => {
      if (await records.consume(model, idOf(id), now())) return;
      // Another replica was first, between the provider's look and this: as bad as one that came later.
      const payload = await find('id', idOf(id));
      if (payload?.grantId !== undefined) {
        await records.remove('', 'grant', grantOf(payload.grantId));
        await sessions.end(payload.grantId, undefined, 'token_reused');
      }
      throw new errors.InvalidGrant('already used');
    },
    destroy: (id) => records.remove(model, 'id', idOf(id)),
    revokeByGrantId: (grantId) => records.remove(model, 'grant', grantOf(grantId)),
  };
}

/** Its name is the session's id in hex. */
function grants(ports: AdapterPorts): Adapter {
  const { records, sealed, sessions } = ports;
  const inner = rows(ports, 'Grant');
  return {
    ...inner,
    find: async (id) => ((await sessions.find(id)) === undefined ? undefined : inner.find(id)),
    destroy: async (id) => {
      await inner.destroy(id);
      await records.remove('', 'grant', sealed.hash('grant', '', id));
      await sessions.end(id, undefined, 'token_reused');
    },
  };
}
