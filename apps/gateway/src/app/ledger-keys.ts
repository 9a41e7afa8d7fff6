/**
 * Keys of a session's ledger, from its session key: whoever may take the session on has them, and they go when it does.
 * The ledger may lie outside this process, so it gets keyed digests and sealed responses (PROTOCOL.md "Resend").
 */
import type { KeyObject } from 'node:crypto';
import { concatBytes, hkdfExpand, secretKey, utf8 } from '@sallyport/crypto';

export type LedgerKeys = {
  /** For digests of requests: without it nobody finds a request by trying contents. */
  readonly digest: KeyObject;
  /** Seals responses that are kept. */
  readonly response: KeyObject;
};

const KEY_BYTES = 32;

/** `sessionKey` is key-service's, uniformly random; `sessionId` in hex. */
export function ledgerKeys(sessionKey: KeyObject, sessionId: string): LedgerKeys {
  const derive = (label: string): KeyObject =>
    secretKey(hkdfExpand(sessionKey, concatBytes(utf8(`sallyport1 ${label}\0`), utf8(sessionId)), KEY_BYTES));
  return { digest: derive('ledger digest'), response: derive('ledger response') };
}
