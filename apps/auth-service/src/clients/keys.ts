/** key-service as the use cases see it. Whatever keeps it from answering is one thing: `unavailable`, to be tried again. */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { ECDSA_P256, ED25519, type SignatureRow } from '@sallyport/crypto';
import { keyv1 } from '@sallyport/proto';
import { SallyportError, unavailable, type Reason } from '@sallyport/service/errors';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { Keys, PasswordSeal, TokenAlgorithm, TokenKey, TokenKeys } from '../app/ports.ts';
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
    ...sealUnder(calls, PSK_DOMAIN_KEY),
    signBinding: async (message) => {
      const { keyId, signature } = await answered(calls.sign({ purpose: BINDING_PURPOSE, message }));
      return { keyId, signature };
    },
    destroySessionKeys: async (sessionIds) => {
      await answered(calls.destroySessionKeys({ sessionIds: [...sessionIds] }));
    },
  };
}

/** Seals small secrets under a domain key of ours. */
export function sealUnder(calls: Pick<KeyCalls, 'encrypt' | 'decrypt'>, key: string): PasswordSeal {
  return {
    encrypt: async (plaintext, aad) => {
      const { ciphertexts } = await answered(calls.encrypt({ key, items: [{ plaintext, aad }] }));
      return only(ciphertexts);
    },
    decrypt: async (ciphertext, aad) => {
      const { plaintexts } = await answered(calls.decrypt({ key, items: [{ ciphertext, aad }] }));
      return only(plaintexts);
    },
  };
}

export const TOKEN_PURPOSE = 'access-token';

/** As key-service names them. */
const NAMES = { EdDSA: 'Ed25519', ES256: 'P-256' } as const satisfies Record<TokenAlgorithm, string>;
const ROWS = { EdDSA: ED25519, ES256: ECDSA_P256 } as const satisfies Record<TokenAlgorithm, SignatureRow>;
const ALGORITHMS = ['EdDSA', 'ES256'] as const satisfies readonly TokenAlgorithm[];

export function tokenKeys(calls: Pick<KeyCalls, 'sign' | 'listPublicKeys'>): TokenKeys {
  return {
    sign: async (algorithm, message) => {
      const { keyId, signature } = await answered(
        calls.sign({ purpose: TOKEN_PURPOSE, message, algorithm: NAMES[algorithm] }),
      );
      if (signature.length !== ROWS[algorithm].signatureLength)
        throw new Error('key-service answered with a signature of another length');
      return { keyId, signature };
    },
    list: async () => {
      const { keys } = await answered(calls.listPublicKeys({ purpose: TOKEN_PURPOSE }));
      return keys.flatMap(tokenKeyOf).sort((a, b) => b.createdAt - a.createdAt);
    },
  };
}

function tokenKeyOf({
  keyId,
  algorithm: name,
  publicKey: raw,
  state,
  createdAt,
}: keyv1.PublicKey): TokenKey[] {
  const algorithm = ALGORITHMS.find((known) => NAMES[known] === name);
  const publicKey = algorithm && ROWS[algorithm].publicKeyFromRaw(raw);
  // An algorithm that a newer key-service has is none of ours yet.
  if (algorithm === undefined || publicKey === undefined) return [];
  return [
    {
      keyId,
      algorithm,
      publicKey,
      isActive: state === keyv1.KeyState.ACTIVE,
      createdAt: createdAt === undefined ? 0 : timestampMs(createdAt),
    },
  ];
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
