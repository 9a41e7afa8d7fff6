/** What users sign in with: set and removed by who may, checked for the authorization server. */
import { constantTimeEqual, toHex } from '@sallyport/crypto';
import { busy, invalidArgument, notFound } from '@sallyport/service/errors';
import { parsePrincipalId } from '@sallyport/service/identity';
import type { TellEvents } from '@sallyport/service/lifecycle';
import type { Actor, PasswordChanged } from '../domain/events.ts';
import {
  encodeHash,
  HASH_BYTES,
  HASH_PARAMETERS,
  parseHash,
  passwordContext,
  passwordDigest,
  passwordProblem,
  preparePassword,
  SALT_BYTES,
  type HashParameters,
} from '../domain/password.ts';
import { sourceNetwork } from '../domain/source.ts';
import type { Attempts } from './attempts.ts';
import type {
  CheckRecorder,
  Now,
  PasswordEnding,
  PasswordSeal,
  PasswordStore,
  Random,
  HashPassword,
} from './ports.ts';
import type { PayRevocations } from './pay-revocations.ts';
import { sessionEnded } from './session-events.ts';

export interface PasswordPorts {
  readonly passwords: PasswordStore;
  readonly passwordSeal: PasswordSeal;
  readonly hashPassword: HashPassword;
  readonly attempts: Attempts;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly payRevocations: PayRevocations;
  readonly random: Random;
  readonly now: Now;
  readonly tenant: string;
  readonly trustDomain: string;
}

/**
 * Resolves to how many sign-ins the one before had open: they are ended. Throws `invalid_argument`, `busy`, `unavailable`,
 * `spool_full`.
 */
export async function setPassword(
  ports: PasswordPorts,
  actor: Actor,
  principal: string,
  password: string,
): Promise<number> {
  checkUser(principal);
  const problem = passwordProblem(principal, password);
  if (problem !== undefined) throw invalidArgument(problem, { field: 'password' });
  await ports.checkRecorder();
  const sealed = await sealedHash(ports, password, passwordContext(principal, ports.trustDomain));
  const ended = await ports.passwords.set(
    { principal, sealed, setAt: ports.now() },
    ending(ports, actor, principal, 'password_set'),
  );
  await Promise.all([ports.tell(), ports.payRevocations()]);
  return ended.length;
}

/** As `setPassword`. Throws `not_found` when there is none. */
export async function deletePassword(ports: PasswordPorts, actor: Actor, principal: string): Promise<number> {
  checkUser(principal);
  const ended = await ports.passwords.remove(principal, ending(ports, actor, principal, 'password_deleted'));
  if (ended === undefined) throw notFound(`${principal} has no password`, { field: 'principal' });
  await Promise.all([ports.tell(), ports.payRevocations()]);
  return ended.length;
}

export interface SignInAttempt {
  /** As typed: `alice` or `user:alice`. */
  readonly username: string;
  readonly password: string;
  /** Where the browser came from. */
  readonly sourceAddress: string;
}

/** Who proved it, and when the password that was proved had been set: the one that is good now may be another. */
export interface ProvedPassword {
  readonly principal: string;
  readonly setAt: number;
}

export type VerifyPassword = (attempt: SignInAttempt) => Promise<ProvedPassword | undefined>;

/** What a name that nobody has is compared with. */
const NOBODY = 'user:nobody';

/**
 * Undefined for whatever is not right, after the same steps: one row looked for, one Decrypt at key-service, one hash, one
 * comparison. Rejects with `busy` (with the time to come again) when too many were tried, and `unavailable`.
 */
export function verifyPassword(ports: PasswordPorts): VerifyPassword {
  let decoy: Promise<Uint8Array> | undefined;
  /** A hash of something random, sealed like every other. */
  const decoyHash = (): Promise<Uint8Array> =>
    (decoy ??= sealedHash(ports, toHex(ports.random(16)), passwordContext(NOBODY, ports.trustDomain)).catch(
      (error: unknown) => {
        decoy = undefined;
        throw error;
      },
    ));

  return async ({ username, password, sourceAddress }) => {
    const named = username.includes(':') ? username : `user:${username}`;
    const principal = parsePrincipalId(named)?.kind === 'user' ? named : undefined;
    const account = principal ?? NOBODY;
    const attempt = ports.attempts.begin(account, sourceNetwork(sourceAddress));
    if ('retryAfterMs' in attempt)
      throw busy(`too many attempts: again in ${Math.ceil(attempt.retryAfterMs / 1000)} s`, {
        retryAfterMs: Math.ceil(attempt.retryAfterMs),
      });
    const [row, decoySealed] = await Promise.all([ports.passwords.find(account), decoyHash()]);
    const real = principal === undefined ? undefined : row;
    const opened = await ports.passwordSeal.decrypt(
      real?.sealed ?? decoySealed,
      passwordContext(real?.principal ?? NOBODY, ports.trustDomain),
    );
    const stored = parseHash(opened);
    opened.fill(0);
    if (stored === undefined) throw new Error('a stored password is not of the form that is written');
    const typed = preparePassword(password);
    const hash = await hashed(ports, typed ?? new Uint8Array(1), stored.salt, stored);
    const isEqual = constantTimeEqual(hash, stored.hash);
    hash.fill(0);
    stored.hash.fill(0);
    if (!isEqual || typed === undefined || real === undefined) return undefined;
    attempt.succeeded();
    return { principal: real.principal, setAt: real.setAt };
  };
}

async function sealedHash(ports: PasswordPorts, password: string, context: Uint8Array): Promise<Uint8Array> {
  const prepared = preparePassword(password);
  if (prepared === undefined) throw invalidArgument('not a password', { field: 'password' });
  const salt = ports.random(SALT_BYTES);
  const hash = await hashed(ports, prepared, salt, HASH_PARAMETERS);
  const encoded = encodeHash({ ...HASH_PARAMETERS, salt, hash });
  try {
    return await ports.passwordSeal.encrypt(encoded, context);
  } finally {
    hash.fill(0);
    encoded.fill(0);
  }
}

async function hashed(
  { hashPassword }: PasswordPorts,
  password: Uint8Array,
  salt: Uint8Array,
  parameters: HashParameters,
): Promise<Uint8Array> {
  try {
    return await hashPassword({ ...parameters, password, salt, length: HASH_BYTES });
  } finally {
    password.fill(0);
  }
}

function ending(
  { random, now, tenant }: PasswordPorts,
  actor: Actor,
  principal: string,
  kind: PasswordChanged['kind'],
): PasswordEnding {
  const ended = { how: 'revoked', at: now(), cause: kind } as const;
  return {
    credentialDigest: passwordDigest(principal),
    ended,
    event: { kind, id: toHex(random(16)), timeMs: ended.at, tenant, actor, principal },
    sessionEvent: sessionEnded(random, actor, ended),
  };
}

function checkUser(principal: string): void {
  if (parsePrincipalId(principal)?.kind !== 'user')
    throw invalidArgument('not a user, which looks like user:alice', { field: 'principal' });
}
