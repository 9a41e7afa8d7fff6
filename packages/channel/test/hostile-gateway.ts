/** A gateway that knows every key of its handshake, as a real one does, and puts what it likes into Accept. */
import { AES_256_GCM, concatBytes, ED25519, X25519 } from '@sallyport/crypto';
import { DEFAULT_LIMITS, encodeAcceptStart, type SessionLimits } from '../src/accept.ts';
import { FRAME_TYPE } from '../src/constants.ts';
import { encodeFrame } from '../src/frame.ts';
import {
  ClientHandshake,
  readHandshake,
  ServerHandshake,
  type RawHandshake,
  type SessionBinding,
} from '../src/index.ts';
import {
  deriveAcceptSecret,
  deriveChannelKey,
  deriveHandshakeSecrets,
  finishedMac,
  sealPart,
} from '../src/key-schedule.ts';
import { parseServerHelloClear } from '../src/server-hello.ts';
import { Transcript } from '../src/transcript.ts';
import { authenticate, certificateClient, gatewayOptions, ok, sessionKey } from './world.ts';

export interface HostileAccept {
  readonly binding?: Partial<SessionBinding>;
  readonly limits?: Partial<SessionLimits>;
  readonly finished?: Uint8Array;
  readonly trailing?: Uint8Array;
}

/** A client that waits for Accept, and a forge of Accept frames under the handshake's true keys. */
export async function beforeHostileAccept() {
  let secret = new Uint8Array(0);
  const leaking = {
    ...X25519,
    respond(share: Uint8Array) {
      const answer = X25519.respond(share);
      secret = Uint8Array.from(answer?.secret ?? []);
      return answer;
    },
  };
  const suites = { kex: [leaking], aead: [AES_256_GCM], signature: [ED25519] };
  const client = new ClientHandshake(certificateClient);
  const server = new ServerHandshake({ ...gatewayOptions, suites });
  const hello = ok(await server.onClientHello(client.start()));
  const { raw } = ok(server.onClientAuth(ok(await client.onServerHello(hello.frame)).frame));
  return { client, forge: (change: HostileAccept) => forgeAccept(raw, secret, change) };
}

function forgeAccept(raw: RawHandshake, sharedSecret: Uint8Array, change: HostileAccept): Uint8Array {
  const view = ok(readHandshake(raw));
  const helloBody = raw.clientHello.subarray(18);
  const serverBody = raw.serverHello.subarray(18);
  const clear = serverBody.subarray(0, ok(parseServerHelloClear(serverBody)).length);
  const transcript = new Transcript()
    .begin(FRAME_TYPE.clientHello, helloBody.length)
    .append(helloBody)
    .begin(FRAME_TYPE.serverHello, clear.length + raw.serverAuth.length)
    .append(clear)
    .bindChannel({ type: raw.channelBindingType, value: raw.channelBinding });
  const { handshake } = deriveHandshakeSecrets(sharedSecret.slice(), transcript.hash());
  transcript
    .append(raw.serverAuth)
    .begin(FRAME_TYPE.clientAuth, raw.clientAuth.length)
    .append(raw.clientAuth);
  const th3 = transcript.hash();
  const secret = deriveAcceptSecret(handshake, th3);
  const start = encodeAcceptStart({
    sessionKey: deriveChannelKey(sessionKey, view.sid, th3),
    binding: authenticate(raw, change.binding).binding,
    limits: { ...DEFAULT_LIMITS, ...change.limits },
    lease: { notAfterMs: 0 },
  });
  const trailing = change.trailing ?? new Uint8Array(0);
  const th = transcript
    .begin(FRAME_TYPE.accept, start.length + 32 + trailing.length)
    .append(start)
    .hash();
  const plaintext = concatBytes(start, change.finished ?? finishedMac(secret, th), trailing);
  const sealed = sealPart(AES_256_GCM, secret, FRAME_TYPE.accept, view.sid, plaintext);
  return encodeFrame(FRAME_TYPE.accept, view.sid, sealed);
}
