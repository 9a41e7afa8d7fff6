/** All that a back-end provides, for `compose` and for the contract suite. A use case is given the parts it uses. */
import type {
  DecoyStore,
  Outbox,
  PasswordStore,
  PskStore,
  RevocationStore,
  SessionReader,
  SessionWriter,
  TokenSessionStore,
} from '../app/ports.ts';

export interface AuthStore {
  readonly sessions: SessionReader & SessionWriter;
  readonly tokenSessions: TokenSessionStore;
  readonly feed: RevocationStore;
  readonly psks: PskStore;
  readonly passwords: PasswordStore;
  readonly decoys: DecoyStore;
  readonly outbox: Outbox;
}
