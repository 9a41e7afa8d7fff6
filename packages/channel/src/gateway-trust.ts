/** Whether a gateway's signing key is vouched for by the gateway that the client expects (docs/protocol.md section 4.2). */
import type { HandshakeCause } from './causes.ts';
import type { ClientHandshakeOptions, VerifiedGateway } from './client-options.ts';
import { verifyDelegation } from './gateway-identity.ts';
import type { ServerAuth } from './server-hello.ts';

export type GatewayTrust = Pick<ClientHandshakeOptions, 'expectedGateway' | 'verifyGatewayChain'>;

/**
 * Chain, name and delegation, at `nowMs` by the client's own clock: a stolen key of the past would come with a gateway time
 * of the past. Returns the cause, or undefined when all is right.
 */
export async function checkGatewayKey(
  trust: GatewayTrust,
  { chainDer, publicKey, delegation }: Pick<ServerAuth, 'chainDer' | 'publicKey' | 'delegation'>,
  nowMs: number,
): Promise<HandshakeCause | undefined> {
  const gateway = await verifyChain(trust, chainDer, nowMs);
  if (gateway === undefined) return 'gateway_certificate';
  if (gateway.spiffeId !== trust.expectedGateway) return 'gateway_name';
  return verifyDelegation(gateway.publicKey, publicKey, delegation, nowMs) ? undefined : 'gateway_delegation';
}

async function verifyChain(
  trust: GatewayTrust,
  chainDer: readonly Uint8Array[],
  atMs: number,
): Promise<VerifiedGateway | undefined> {
  try {
    return await trust.verifyGatewayChain(chainDer, atMs);
  } catch {
    return undefined;
  }
}
