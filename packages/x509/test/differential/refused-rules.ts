/** Why a path that `openssl verify` accepts is refused. The first rule that holds is the explanation. */
import type { RefusedRule } from './compare.ts';

export const refusedRules: readonly RefusedRule[] = [];
