/**
 * Revoked sessions, by a numbered feed: announcements on the bus end sessions at once, a gap in the numbers or silence
 * is filled from auth-service (PROTOCOL.md "Revocation").
 */
import { fromBinary } from '@bufbuild/protobuf';
import { toHex } from '@sallyport/crypto';
import { eventsv1, type authv1 } from '@sallyport/proto';
import type { Bus } from '@sallyport/service/bus';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { Log } from '@sallyport/service/log';
import type { ReplayGuard } from '../app/ports.ts';
import type { Sessions } from '../app/sessions.ts';

export const REVOCATION_SUBJECT = 'sessions.revoked';
const POLL_MS = 1_000;

export type RevocationOptions = {
  readonly auth: Pick<ServiceCalls<typeof authv1.AuthService>, 'listRevocations'>;
  readonly bus: Bus;
  readonly sessions: Pick<Sessions, 'find'>;
  readonly guard: Pick<ReplayGuard, 'revoke'>;
  readonly log: Log;
};

export async function followRevocations(options: RevocationOptions): Promise<AsyncDisposable> {
  const { auth, bus, sessions, guard, log } = options;
  /** Everything up to here was applied. */
  let applied = 0n;
  let polling: Promise<void> | undefined;

  async function apply(sessionId: Uint8Array, cause: string): Promise<void> {
    const id = toHex(sessionId);
    // First what needs no waiting: from here on nothing of the session is forwarded.
    sessions.find(id)?.end('revoked', cause === '' ? 'revoked' : 'revoked_by_administrator');
    await guard.revoke(id);
  }

  async function poll(): Promise<void> {
    const { revocations, lastNumber } = await auth.listRevocations({ afterNumber: applied });
    for (const { sessionId, cause } of revocations) await apply(sessionId, cause);
    if (lastNumber > applied) applied = lastNumber;
  }

  /** One at a time; what fails is tried again by the timer. */
  function catchUp(): Promise<void> {
    polling ??= poll()
      .catch((error: unknown) => log.debug('revocations could not be polled', { error }))
      .finally(() => (polling = undefined));
    return polling;
  }

  const subscription = await bus.subscribe(REVOCATION_SUBJECT, {}, async ({ payload }) => {
    let revoked: eventsv1.SessionRevoked;
    try {
      revoked = fromBinary(eventsv1.SessionRevokedSchema, payload);
    } catch (error) {
      // Sent again it would be the same; what it was about comes by asking.
      log.error('a revocation could not be read', { error });
      return catchUp();
    }
    await apply(revoked.sessionId, revoked.cause);
    if (revoked.number === applied + 1n) applied = revoked.number;
    else if (revoked.number > applied) await catchUp();
  });
  const timer = setInterval(() => void catchUp(), POLL_MS);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await subscription.unsubscribe();
      await polling;
    },
  };
}
