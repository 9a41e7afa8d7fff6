/** All that a back-end provides, for `compose` and for the contract suite. A use case is given the parts it uses. */
import type {
  DecoyStore,
  Outbox,
  PskStore,
  RevocationStore,
  SessionReader,
  SessionWriter,
} from '../app/ports.ts';

export interface AuthStore {
  readonly sessions: SessionReader & SessionWriter;
  readonly feed: RevocationStore;
  readonly psks: PskStore;
  readonly decoys: DecoyStore;
  readonly outbox: Outbox;
}
