/** Pre-shared keys as people may see them: never their bytes, sealed or not. */
import { MAX_LISTED_PSKS } from '../domain/limits.ts';
import type { Psk } from '../domain/psk.ts';
import { principalFilter } from './principal-filter.ts';
import type { PskStore } from './ports.ts';

export type PskInfo = Omit<Psk, 'sealed' | 'trustDomain'>;

/** Newest first, at most 1000. Empty `principal`: of everybody. Throws `invalid_argument`. */
export async function listPsks(psks: Pick<PskStore, 'list'>, principal: string): Promise<readonly PskInfo[]> {
  const found = await psks.list(principalFilter(principal), MAX_LISTED_PSKS);
  return found.map(({ pskId, principal: owner, label, createdAt, notAfter, revokedAt }) => ({
    pskId,
    principal: owner,
    label,
    createdAt,
    notAfter,
    revokedAt,
  }));
}
