/** Which Redis, and as whom. The same for a configuration file and for a test. */
import type { Secret } from '@sallyport/crypto';

export type RedisNode = { readonly host: string; readonly port: number };

export type RedisTarget = {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  /** The server; or the sentinels; or any of the cluster's nodes. At least one. */
  readonly nodes: readonly RedisNode[];
  /** Of the master, as the sentinels know it. Required for `sentinel`, without meaning otherwise. */
  readonly name?: string;
  /** An ACL user: README.md says what it must be allowed. The sentinels are asked as the same user. */
  readonly username: string;
  readonly password: Secret | string;
  /** Whom the servers' certificates must come from. Absent: no TLS at all, which is for `allowInsecureBackends` only. */
  readonly caPem?: string;
};

/** All that is wrong, a sentence with its key each; empty = usable. */
export function redisTargetProblems(target: RedisTarget): string[] {
  const problems: string[] = [];
  if (target.nodes.length === 0) problems.push('redis.nodes must name at least one node');
  if (target.kind === 'standalone' && target.nodes.length > 1)
    problems.push('redis.nodes must name one node when redis.kind is standalone');
  if (target.kind === 'sentinel' && (target.name ?? '') === '')
    problems.push('redis.name must name the master when redis.kind is sentinel');
  if (target.username === '') problems.push('redis.username must be given');
  if (target.password.length === 0) problems.push('the file of redis.passwordFile must hold a password');
  return problems;
}
