/**
 * The secret that keys of unknown ids are made from: random, sealed like every key, made once per database. Without it
 * there are no proofs at all, because real and decoy ids must not differ.
 */
import { DECOY_CONTEXT } from '../domain/psk.ts';
import { PSK_BYTES } from '../domain/limits.ts';
import type { DecoyStore, Keys, Random } from './ports.ts';

/** The sealed secret. Rejects with `unavailable` while it does not exist and key-service is away. */
export type DecoySecret = () => Promise<Uint8Array>;

export function decoySecret(ports: {
  readonly decoys: DecoyStore;
  readonly keys: Pick<Keys, 'encrypt'>;
  readonly random: Random;
}): DecoySecret {
  let known: Uint8Array | undefined;

  async function make(): Promise<Uint8Array> {
    const secret = ports.random(PSK_BYTES);
    try {
      return await ports.decoys.insert(await ports.keys.encrypt(secret, DECOY_CONTEXT));
    } finally {
      secret.fill(0);
    }
  }

  return async () => {
    known ??= (await ports.decoys.find()) ?? (await make());
    return known;
  };
}
