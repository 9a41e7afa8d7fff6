/** Whether a handshake's gateway is who calls, and proved it in this handshake. */
import {
  checkGatewayProof,
  type HandshakeView,
  type PskProofRequest,
  type RawHandshake,
} from '@sallyport/channel';
import type { HandshakeCause } from '../domain/handshake-cause.ts';
import { HELLO_FRESHNESS_MS, MAX_PART_BYTES } from '../domain/limits.ts';
import type { VerifyChain } from './ports.ts';

/** What a transcript may not exceed before a byte of it is read. */
export function isOversized(raw: RawHandshake): boolean {
  const parts = [raw.clientHello, raw.serverHello, raw.channelBinding, raw.serverAuth, raw.clientAuth];
  return parts.some((part) => part.length > MAX_PART_BYTES);
}

/**
 * `gateway`: SPIFFE id of the caller, from its TLS certificate. The gateway's channel certificate is another one, of the
 * same name: a gateway cannot have another's handshake authenticated.
 */
export async function checkGateway(
  verifyChain: VerifyChain,
  view: PskProofRequest | HandshakeView,
  gateway: string,
  now: number,
): Promise<HandshakeCause | undefined> {
  // The client's clock is its own affair; the gateway's time is signed, and makes an old recording worthless.
  if (Math.abs(view.serverHello.timeMs - now) > HELLO_FRESHNESS_MS) return 'hello_time';
  const chain = await verifyChain(view.serverAuth.chainDer, 'gateway', now);
  if (!chain.ok) return `gateway_${chain.cause}`;
  if (chain.spiffeId !== gateway) return 'gateway_other';
  return checkGatewayProof(view, chain.publicKey, now);
}
