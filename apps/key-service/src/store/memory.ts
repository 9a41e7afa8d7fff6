/** Keys in memory: the fake of every test of a use case, and held to the same contract as the database. */
import { toHex } from '@sallyport/crypto';
import type { KeyStore } from './store.ts';
import type { DataKey } from '../domain/data-key.ts';
import { isFeedEvent, type KeyEvent } from '../domain/key-event.ts';
import { refText, type KeyId, type KeyVersion } from '../domain/key.ts';
import {
  isRenewable,
  leaseEnd,
  type Lease,
  type LiveSessionKey,
  type SessionKey,
} from '../domain/session-key.ts';
import type { SessionKeyEvent } from '../app/ports.ts';

/** Nothing in here awaits between reading and writing, so every method is a transaction. */
export function memoryStore(): KeyStore {
  const versions = new Map<KeyId, KeyVersion>();
  const sessions = new Map<string, SessionKey>();
  const dataKeys = new Map<string, DataKey>();
  const outbox = new Map<string, KeyEvent>();
  let lastNumber = 0n;

  const enqueue = (event: KeyEvent) => void outbox.set(event.id, event);
  const find = (matches: (key: KeyVersion) => boolean) => versions.values().find(matches);

  function erase(key: LiveSessionKey, now: number, event: SessionKeyEvent): void {
    const { sessionId, notAfter } = key;
    sessions.set(toHex(sessionId), { kind: 'destroyed', sessionId, destroyedAt: now, notAfter });
    enqueue(event(sessionId, key.tenant));
  }

  return {
    keys: {
      active: async (ref) => find((key) => refText(key) === refText(ref) && key.state === 'active'),
      version: async (ref, version) =>
        find((key) => refText(key) === refText(ref) && key.version === version),
      byId: async (keyId) => versions.get(keyId),
      list: async () =>
        [...versions.values()].sort((a, b) => compare(refText(a), refText(b)) || a.version - b.version),
      activate: async (next, replaces, events) => {
        const current = replaces && versions.get(replaces.keyId);
        if (replaces !== undefined && current?.state !== 'active') return 'lost';
        const same = find(
          (key) =>
            refText(key) === refText(next) &&
            (key.version === next.version || (key.state === 'active' && key.keyId !== replaces?.keyId)),
        );
        if (same !== undefined || versions.has(next.keyId)) return 'lost';
        if (current !== undefined) {
          versions.set(current.keyId, { ...current, state: 'deactivated', deactivatedAt: next.createdAt });
        }
        versions.set(next.keyId, next);
        for (const event of events)
          enqueue(isFeedEvent(event) ? { ...event, number: (lastNumber += 1n) } : event);
        return 'activated';
      },
      lastNumber: async () => lastNumber,
      reserveUses: async (keyId, count, limit) => {
        const key = versions.get(keyId);
        if (key?.state !== 'active') return 'inactive';
        if (key.usesReserved > limit - count) return 'exhausted';
        versions.set(keyId, { ...key, usesReserved: key.usesReserved + count });
        return 'reserved';
      },
      returnUses: async (keyId, count) => {
        const key = versions.get(keyId);
        if (key !== undefined) versions.set(keyId, { ...key, usesReserved: key.usesReserved - count });
      },
    },
    sessionKeys: {
      find: async (sessionId) => sessions.get(toHex(sessionId)),
      insert: async (key, event) => {
        const id = toHex(key.sessionId);
        if (sessions.has(id)) return false;
        sessions.set(id, key);
        enqueue(event);
        return true;
      },
      renew: async (sessionIds, now, leaseMs) => {
        const leases: Lease[] = [];
        for (const id of new Set(sessionIds.map(toHex))) {
          const key = sessions.get(id);
          if (key === undefined || !isRenewable(key, now)) continue;
          const leaseNotAfter = leaseEnd(now, leaseMs, key.notAfter);
          sessions.set(id, { ...key, leaseNotAfter });
          leases.push({ sessionId: key.sessionId, notAfter: leaseNotAfter });
        }
        return leases;
      },
      destroy: async (sessionIds, now, tombstoneNotAfter, event) => {
        let destroyed = 0;
        for (const sessionId of sessionIds) {
          const key = sessions.get(toHex(sessionId));
          if (key?.kind === 'live') {
            erase(key, now, event);
            destroyed += 1;
          } else if (key === undefined && tombstoneNotAfter !== undefined) {
            sessions.set(toHex(sessionId), {
              kind: 'destroyed',
              sessionId,
              destroyedAt: now,
              notAfter: tombstoneNotAfter,
            });
          }
        }
        return destroyed;
      },
      expire: async (now, limit, event) => {
        const ended = [...sessions.values()]
          .filter((key) => key.kind === 'live')
          .filter((key) => key.leaseNotAfter < now)
          .sort((a, b) => a.leaseNotAfter - b.leaseNotAfter)
          .slice(0, limit);
        for (const key of ended) erase(key, now, event);
        return ended.length;
      },
      forget: async (notAfter) => {
        for (const [id, key] of sessions) {
          if (key.kind === 'destroyed' && key.notAfter < notAfter) sessions.delete(id);
        }
      },
    },
    dataKeys: {
      find: async (dataKeyId) => dataKeys.get(dataKeyId),
      insert: async (key, event) => {
        dataKeys.set(key.dataKeyId, key);
        enqueue(event);
      },
      destroy: async (dataKeyId, now, event) => {
        const key = dataKeys.get(dataKeyId);
        if (key?.wrapped === undefined) return false;
        dataKeys.set(dataKeyId, { ...key, wrapped: undefined, destroyedAt: now });
        enqueue(event);
        return true;
      },
    },
    outbox: {
      pending: async (limit) => [...outbox.values()].slice(0, limit),
      remove: async (ids) => ids.forEach((id) => outbox.delete(id)),
    },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
