/** All that a back-end provides, for `compose` and for the contract suite. A use case is given the parts it uses. */
import type { DataKeyStore, KeyReader, KeyWriter, Outbox, SessionKeyStore } from '../app/ports.ts';

export interface KeyStore {
  readonly keys: KeyReader & KeyWriter;
  readonly sessionKeys: SessionKeyStore;
  readonly dataKeys: DataKeyStore;
  readonly outbox: Outbox;
}
