/**
 * Whose session ids of the server are, as far as this replica saw them given. The layer above seals them to their caller;
 * this holds where a server gives one id to two, and where a seal fails.
 */
import { Recent, type Owner } from '../owners.ts';
import { malformed } from './stream.ts';

const MAX_SESSIONS = 65_536;
/** 2025-11-25 "Session Management", 1. */
const SESSION_ID = /^[\x21-\x7e]{1,4096}$/u;

/** Of 65,536 sessions; of the oldest it is forgotten whose they are. */
export class SessionOwners {
  readonly #owners = new Recent<string, Owner>(MAX_SESSIONS);

  /** False: it is another's, who must not learn that it is anybody's. */
  mayUse(sessionId: string | undefined, owner: Owner): boolean {
    if (sessionId === undefined) return true;
    // What no header can carry is no session of this server.
    if (!SESSION_ID.test(sessionId)) return false;
    const known = this.#owners.get(sessionId);
    return known === undefined || known === owner;
  }

  /** Throws `UpstreamFailure` (`malformed`) for one that is none, or is another's. */
  opened(sessionId: string, owner: Owner): void {
    if (!SESSION_ID.test(sessionId)) throw malformed('a session id that is not visible ASCII');
    const known = this.#owners.get(sessionId);
    if (known !== undefined && known !== owner) throw malformed("another principal's session id");
    this.#owners.set(sessionId, owner);
  }

  ended(sessionId: string): void {
    this.#owners.delete(sessionId);
  }
}
