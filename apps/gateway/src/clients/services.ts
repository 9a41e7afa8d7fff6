/** What opening and keeping a session needs of auth-service and key-service, in the gateway's own words. */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { secretKey, toHex, fromHex } from '@sallyport/crypto';
import type { RawHandshake } from '@sallyport/channel';
import type { authv1, keyv1 } from '@sallyport/proto';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { OpenSessionPorts } from '../app/open-session.ts';
import type { LeasePorts } from '../app/leases.ts';

type AuthCalls = ServiceCalls<typeof authv1.AuthService>;
type KeyCalls = ServiceCalls<typeof keyv1.KeyService>;

const transcriptOf = (raw: RawHandshake) => ({ ...raw });

/** auth-service: the proof of a pre-shared key, and the judgement on a whole handshake. */
export function authClient(
  auth: Pick<AuthCalls, 'provePsk' | 'authenticateHandshake'>,
): Pick<OpenSessionPorts, 'provePsk' | 'authenticate'> {
  return {
    provePsk: async (raw) => (await auth.provePsk({ transcript: transcriptOf(raw) })).macS,
    async authenticate(raw, sourceAddress) {
      const answer = await auth.authenticateHandshake({ transcript: transcriptOf(raw), sourceAddress });
      const { binding: bytes, bindingSignature: signature, bindingKeyId: keyId, pskExport } = answer;
      return {
        binding: { bytes, signature, keyId },
        pskExport: pskExport.length === 0 ? undefined : pskExport,
      };
    },
  };
}

/** key-service: the session key against the binding, and the lease on it. */
export function keyClient(
  keys: Pick<KeyCalls, 'createSessionKey' | 'renewLeases'>,
): Pick<OpenSessionPorts, 'createSessionKey'> & Pick<LeasePorts, 'renew'> {
  return {
    async createSessionKey({ bytes, signature, keyId }) {
      const answer = await keys.createSessionKey({
        binding: bytes,
        bindingSignature: signature,
        bindingKeyId: keyId,
      });
      const key = secretKey(answer.sessionKey);
      answer.sessionKey.fill(0);
      return {
        key,
        leaseNotAfterMs: answer.leaseNotAfter === undefined ? 0 : timestampMs(answer.leaseNotAfter),
      };
    },
    async renew(sessionIds) {
      const { leases } = await keys.renewLeases({ sessionIds: sessionIds.map(bytesOf) });
      return new Map(
        leases.map(({ sessionId, notAfter }) => [
          toHex(sessionId),
          notAfter === undefined ? 0 : timestampMs(notAfter),
        ]),
      );
    },
  };
}

/** Of a session id that this gateway made itself. */
export function bytesOf(sessionId: string): Uint8Array {
  const bytes = fromHex(sessionId);
  if (bytes === undefined) throw new TypeError(`"${sessionId}" is not a session id`);
  return bytes;
}
