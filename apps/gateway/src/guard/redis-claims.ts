/**
 * Running claims: whose they are, and whether they may become ours. A claim is ours when it was made by an admission of
 * this gateway whose answer never came: nothing of it was forwarded. It may become ours when its gateway is gone and the
 * route would recognise the request.
 */
import type { GuardSession, RecordClaim, RecordVerdict } from '../app/ports.ts';
import { raiseVersion, type Attached } from './redis-attachments.ts';
import type { RedisCaller } from './redis-caller.ts';
import { keysOf } from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';
import { correlationBytes } from './redis-wire.ts';

export const TOKEN_BYTES = 16;
const HOLDER_BYTES = 24;
/** Admissions of unknown end that are remembered; what they claimed lives no longer than their sessions. */
const MAX_FAILED = 100_000;

export type Admission = {
  /** gateway 16 | admission u64: who made a claim, and by which call. */
  readonly holder: Buffer;
  /** Its end is unknown, and nothing of it was forwarded. */
  failed(): void;
};

export function claimHolders(
  caller: RedisCaller,
  pulse: { isAlive(token: string): Promise<boolean> },
  token: Buffer,
) {
  /** Admissions by their number. */
  const failed = new Set<bigint>();
  let admissions = 0n;

  function begin(): Admission {
    admissions += 1n;
    const holder = latest();
    const own = admissions;
    return {
      holder,
      failed() {
        failed.add(own);
        for (const oldest of failed) {
          if (failed.size <= MAX_FAILED) break;
          failed.delete(oldest);
        }
      },
    };
  }

  /** This gateway and the last admission it began: what is concluded now was claimed by it or before. */
  function latest(): Buffer {
    const holder = Buffer.alloc(HOLDER_BYTES);
    token.copy(holder);
    holder.writeBigUInt64BE(admissions, TOKEN_BYTES);
    return holder;
  }

  /** `running`, unless its holder will never conclude it. */
  async function verdictOf(
    session: GuardSession,
    of: Attached,
    request: NonNullable<RecordClaim['request']>,
    holder: Buffer,
    admission: Admission,
    isAlive: (token: string) => Promise<boolean>,
  ): Promise<RecordVerdict> {
    const isOurs = holder.subarray(0, TOKEN_BYTES).equals(token);
    if (isOurs && !failed.has(holder.readBigUInt64BE(TOKEN_BYTES))) return 'running';
    if (!isOurs) {
      if (await isAlive(holder.toString('hex', 0, TOKEN_BYTES))) return 'running';
      if (request.isRepeatable !== true) return 'unknown';
    }
    const { s, q } = keysOf(session.sessionId);
    const correlation = correlationBytes(request.correlation);
    const args = [String(session.generation), correlation, holder, admission.holder];
    const [isTaken, version] = (await caller.run(SCRIPTS.takeOver, [s, q], args)) as [number, number];
    raiseVersion(of, version);
    // Somebody was faster, and is working on it or done.
    if (isTaken !== 1) return 'running';
    // Ours may be a take-over whose answer never came.
    return isOurs && request.isRepeatable !== true ? 'new' : 'taken_over';
  }

  /** Replaces each `running` by what it means; `holders` has one for each, in order. Takes two round trips at most. */
  async function settle(
    session: GuardSession,
    of: Attached,
    records: readonly RecordClaim[],
    verdicts: RecordVerdict[],
    holders: Buffer,
    admission: Admission,
  ): Promise<void> {
    const asked = new Map<string, Promise<boolean>>();
    const isAlive = (gateway: string): Promise<boolean> => {
      const answer = asked.get(gateway) ?? pulse.isAlive(gateway);
      asked.set(gateway, answer);
      return answer;
    };
    const settling: Promise<void>[] = [];
    let at = 0;
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict !== 'running') continue;
      const holder = holders.subarray(at, at + HOLDER_BYTES);
      at += HOLDER_BYTES;
      const request = records[index]?.request;
      // Twice in this frame: the first of them is being admitted right now.
      if (request === undefined || holder.equals(admission.holder)) continue;
      settling.push(
        verdictOf(session, of, request, holder, admission, isAlive).then(
          (settled) => void (verdicts[index] = settled),
        ),
      );
    }
    await Promise.all(settling);
  }

  return { begin, settle, latest };
}
