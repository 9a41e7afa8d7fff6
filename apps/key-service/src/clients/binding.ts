/** Reads session bindings as the channel lays them out. */
import { parseBinding, verifyBindingSignature } from '@sallyport/channel';
import type { VerifyBinding } from '../app/ports.ts';
import { parseTenantId } from '../domain/key.ts';

export const verifyBinding: VerifyBinding = (bytes, signature, publicKey) => {
  // The signature first: nothing of an unsigned binding is looked at.
  if (!verifyBindingSignature(publicKey, bytes, signature)) return undefined;
  const binding = parseBinding(bytes);
  if (!binding.ok) return undefined;
  const tenant = parseTenantId(binding.tenant);
  if (tenant === undefined) return undefined;
  return {
    sessionId: Uint8Array.from(binding.sid),
    tenant,
    trustDomain: binding.trustDomain,
    notBefore: binding.notBeforeMs,
    notAfter: binding.notAfterMs,
  };
};
