/** A peer that knows the handshake's keys, as every peer does, and seals other plaintexts under them. */
import {
  AES_256_GCM,
  concatBytes,
  ED25519,
  signatureInput,
  X25519,
  type KexRow,
  type RandomSource,
} from '@sallyport/crypto';
import { FRAME_TYPE, type FrameType } from '../src/constants.ts';
import { encodeFrame } from '../src/frame.ts';
import { deriveHandshakeSecrets, finishedMac, openPart, sealPart } from '../src/key-schedule.ts';
import { parseServerAuth, parseServerHelloClear } from '../src/server-hello.ts';
import { Transcript } from '../src/transcript.ts';
import { lp16 } from '../src/wire.ts';
import { identity, ok } from './world.ts';

/** X25519 that lets its secret out. */
export function leakingSuite() {
  let secret = new Uint8Array(0);
  const kex: KexRow = {
    ...X25519,
    respond(share: Uint8Array, random?: RandomSource) {
      const answer = X25519.respond(share, random);
      secret = Uint8Array.from(answer?.secret ?? []);
      return answer;
    },
  };
  return { suites: { kex: [kex], aead: [AES_256_GCM], signature: [ED25519] }, secret: () => secret.slice() };
}

/**
 * The sealed part of a ServerHello or ClientAuth opened, changed and sealed again. Its length stays, so that the
 * transcript before it does.
 */
export function reseal(
  frames: { readonly clientHello: Uint8Array; readonly serverHello: Uint8Array; readonly target: Uint8Array },
  sharedSecret: Uint8Array,
  change: (plaintext: Uint8Array) => Uint8Array,
): Uint8Array {
  const helloBody = frames.clientHello.subarray(18);
  const serverBody = frames.serverHello.subarray(18);
  const clear = serverBody.subarray(0, ok(parseServerHelloClear(serverBody)).length);
  const th = new Transcript()
    .begin(FRAME_TYPE.clientHello, helloBody.length)
    .append(helloBody)
    .begin(FRAME_TYPE.serverHello, serverBody.length - 16)
    .append(clear)
    .bindChannel({ type: 0, value: new Uint8Array(0) })
    .hash();
  const secrets = deriveHandshakeSecrets(sharedSecret, th);
  const isServer = frames.target[1] === FRAME_TYPE.serverHello;
  const type: FrameType = isServer ? FRAME_TYPE.serverHello : FRAME_TYPE.clientAuth;
  const key = isServer ? secrets.server : secrets.client;
  const sid = frames.serverHello.subarray(2, 18);
  const before = isServer ? clear : new Uint8Array(0);
  const plaintext = openPart(AES_256_GCM, key, type, sid, frames.target.subarray(18 + before.length));
  if (plaintext === undefined) throw new Error('the part does not open');
  const sealed = sealPart(AES_256_GCM, key, type, sid, change(plaintext));
  return encodeFrame(type, sid, concatBytes(before, sealed));
}

/** A ServerHello by a gateway that signs and seals everything rightly, and leaves mac_s out. */
export function withoutPskProof(
  clientHello: Uint8Array,
  serverHello: Uint8Array,
  serverAuth: Uint8Array,
  sharedSecret: Uint8Array,
): Uint8Array {
  const helloBody = clientHello.subarray(18);
  const serverBody = serverHello.subarray(18);
  const clear = serverBody.subarray(0, ok(parseServerHelloClear(serverBody)).length);
  const start = serverAuth.subarray(0, ok(parseServerAuth(serverAuth)).at.signature);
  const transcript = new Transcript()
    .begin(FRAME_TYPE.clientHello, helloBody.length)
    .append(helloBody)
    .begin(FRAME_TYPE.serverHello, clear.length + start.length + 66 + 1 + 32)
    .append(clear)
    .bindChannel({ type: 0, value: new Uint8Array(0) });
  const { server } = deriveHandshakeSecrets(sharedSecret, transcript.hash());
  const th = transcript.append(start).hash();
  const signature = lp16(ED25519.sign(identity.signing.privateKey, signatureInput('server auth', th)));
  const mac = Uint8Array.of(0);
  const finished = finishedMac(server, transcript.append(signature).append(mac).hash());
  const sid = serverHello.subarray(2, 18);
  const plaintext = concatBytes(start, signature, mac, finished);
  const sealed = sealPart(AES_256_GCM, server, FRAME_TYPE.serverHello, sid, plaintext);
  return encodeFrame(FRAME_TYPE.serverHello, sid, concatBytes(clear, sealed));
}
