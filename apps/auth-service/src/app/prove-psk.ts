/**
 * mac_s: that the gateway is backed by whoever holds the client's pre-shared key (docs/protocol.md section 4.2).
 *
 * Given only to a gateway that has proved its own identity in this very handshake, and for every id alike.
 */
import { pskServerProof, readPskProofRequest, type RawHandshake } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { HandshakeCause } from '../domain/handshake-cause.ts';
import { UNKNOWN_SOURCE } from '../domain/source.ts';
import { checkGateway, isOversized } from './check-gateway.ts';
import type { Failures } from './failures.ts';
import type { OpenProofs } from './open-proofs.ts';
import type { Now, VerifyChain } from './ports.ts';
import type { PskKeys } from './psk-keys.ts';
import { handshakeRefused } from './refuse.ts';

export interface ProvePskPorts {
  readonly verifyChain: VerifyChain;
  readonly pskKeys: Pick<PskKeys, 'open'>;
  readonly proofs: Pick<OpenProofs, 'begin'>;
  readonly failures: Pick<Failures, 'count'>;
  readonly now: Now;
}

/** 32 bytes. Throws `credential_invalid` for a handshake that is not the calling gateway's own, `unavailable`. */
export async function provePsk(
  ports: ProvePskPorts,
  gateway: string,
  raw: RawHandshake,
): Promise<Uint8Array> {
  const refuse = (cause: HandshakeCause) => {
    ports.failures.count(UNKNOWN_SOURCE, cause);
    return handshakeRefused();
  };
  if (isOversized(raw)) throw refuse('oversized');
  const request = readPskProofRequest(raw);
  if (!request.ok) throw refuse(request.cause);
  const cause = await checkGateway(ports.verifyChain, request, gateway, ports.now());
  if (cause !== undefined) throw refuse(cause);
  const { key } = await ports.pskKeys.open(request.pskId);
  ports.proofs.begin(toHex(request.sid));
  return pskServerProof(key, request.hashes.serverMac);
}
