/** key-service as the use cases see it. Whatever keeps it from answering is one thing: `unavailable`, to be tried again. */
import type { keyv1 } from '@sallyport/proto';
import { SallyportError, unavailable, type Reason } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { Keys } from '../app/ports.ts';
import { PSK_DOMAIN_KEY } from '../domain/psk.ts';

export type KeyCalls = Pick<
  ServiceCalls<typeof keyv1.KeyService>,
  'encrypt' | 'decrypt' | 'sign' | 'destroySessionKeys' | 'listPublicKeys'
>;

export const BINDING_PURPOSE = 'session-binding';

/** Refusals that pass. Any other is a defect of ours or a damaged row, and becomes `internal` at the edge. */
const PASSING: ReadonlySet<Reason> = new Set<Reason>([
  'unavailable',
  'deadline_exceeded',
  'cancelled',
  'busy',
  'conflict',
  'spool_full',
  'internal',
]);

export function keyClient(calls: KeyCalls): Keys {
  return {
    encrypt: async (plaintext, aad) => {
      const { ciphertexts } = await answered(
        calls.encrypt({ key: PSK_DOMAIN_KEY, items: [{ plaintext, aad }] }),
      );
      return only(ciphertexts);
    },
    decrypt: async (ciphertext, aad) => {
      const { plaintexts } = await answered(
        calls.decrypt({ key: PSK_DOMAIN_KEY, items: [{ ciphertext, aad }] }),
      );
      return only(plaintexts);
    },
    signBinding: async (message) => {
      const { keyId, signature } = await answered(calls.sign({ purpose: BINDING_PURPOSE, message }));
      return { keyId, signature };
    },
    destroySessionKeys: async (sessionIds) => {
      await answered(calls.destroySessionKeys({ sessionIds: [...sessionIds] }));
    },
  };
}

/** Readiness: that bindings can be signed. Rejects with `unavailable`. */
export async function checkKeys(calls: KeyCalls, deadlineMs: number): Promise<void> {
  await answered(calls.listPublicKeys({ purpose: BINDING_PURPOSE }, { deadlineMs }));
}

async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof SallyportError && PASSING.has(error.reason))
      throw unavailable('key-service does not answer, and nothing is authenticated without it', {
        cause: error,
      });
    // Not as it is: key-service's reasons would read as ours.
    throw new Error('key-service refused a call of ours', { cause: error });
  }
}

function only(items: readonly Uint8Array[]): Uint8Array {
  const [item] = items;
  if (item === undefined || items.length !== 1)
    throw new Error('key-service answered with another number of items');
  return item;
}
