/**
 * Makes docs/vectors/*.json from fixed keys, nonces and times. Everything in them can be computed again but the ML-KEM
 * ciphertext, whose randomness the platform keeps to itself: that vector is fixed data, and the client's side of it is
 * checked.
 */
import {
  AES_256_GCM,
  ED25519,
  merkleRoot,
  secretKey,
  toHex,
  X25519,
  X25519MLKEM768,
  type RandomSource,
} from '@sallyport/crypto';
import type { KeyObject } from 'node:crypto';
import { batchSignatureInput, bindingHash } from '../../src/batch.ts';
import { FRAME_TYPE } from '../../src/constants.ts';
import {
  ClientHandshake,
  controlMessage,
  encodeRefusal,
  evidenceOf,
  readHandshake,
  ServerHandshake,
  type ClientHandshakeOptions,
  type RawHandshake,
} from '../../src/index.ts';
import {
  deriveAcceptSecret,
  deriveChannelKey,
  deriveFirstEpoch,
  deriveHandshakeSecrets,
  expandLabel,
  NO_PSK_EXPORT,
  openPart,
} from '../../src/key-schedule.ts';
import { contentTag, messageKey } from '../../src/message-keys.ts';
import { pskExport } from '../../src/psk.ts';
import { parseServerHelloClear } from '../../src/server-hello.ts';
import { Transcript } from '../../src/transcript.ts';
import {
  binding,
  bindingBytes,
  clientContext,
  clientKeys,
  forge,
  gatewaySession,
  request,
} from '../frames.ts';
import { resumeVector } from './make-resume.ts';
import {
  authenticate,
  bindingKeys,
  certificateClient,
  clientCertificateKeys,
  countingRandom,
  gatewayCertificateKeys,
  gatewayOptions,
  keysOf,
  NOW_MS,
  ok,
  pskClient,
  pskKey,
  sessionKey,
} from '../world.ts';

const HEADER_AT = 32;

/** File name without `.json` → content. */
export async function makeVectors(): Promise<Record<string, unknown>> {
  return {
    'expand-label': expandLabelVectors(),
    'handshake-certificate': await handshakeVector(certificateClient),
    'handshake-psk': await handshakeVector(pskClient),
    binding: { binding: readable(binding), bytes: toHex(bindingBytes), sb: toHex(bindingHash(bindingBytes)) },
    resume: await resumeVector(recording),
    messages: messageVectors(),
    'refused-frames': refusedFrames(),
  };
}

function expandLabelVectors(): unknown {
  const secret = secretKey(new Uint8Array(32).fill(1));
  const rows: readonly (readonly [string, Uint8Array, number])[] = [
    ['key', new Uint8Array(0), 32],
    ['iv', new Uint8Array(0), 12],
    ['c hs', new Uint8Array(32).fill(0x7f), 32],
    ['channel', new Uint8Array(48).fill(0x20), 32],
  ];
  return rows.map(([label, context, length]) => ({
    secret: hexOf(secret),
    label,
    context: toHex(context),
    length,
    output: toHex(expandLabel(secret, label, context, length)),
  }));
}

async function handshakeVector(options: ClientHandshakeOptions): Promise<unknown> {
  const [clientRandom, serverRandom] = [recording(countingRandom(1)), recording(countingRandom(2))];
  let sharedSecret = new Uint8Array(0);
  const leaking = {
    ...X25519,
    respond(share: Uint8Array, random?: RandomSource) {
      const answer = X25519.respond(share, random);
      sharedSecret = Uint8Array.from(answer?.secret ?? []);
      return answer;
    },
  };
  const rest = { aead: [AES_256_GCM], signature: [ED25519] };
  const client = new ClientHandshake({
    ...options,
    suites: { kex: [X25519], ...rest },
    random: clientRandom.random,
    signing: keysOf(21),
  });
  const server = new ServerHandshake({
    ...gatewayOptions,
    suites: { kex: [leaking], ...rest },
    random: serverRandom.random,
  });
  const clientHello = client.start();
  const serverHello = ok(await server.onClientHello(clientHello)).frame;
  const clientAuth = ok(await client.onServerHello(serverHello)).frame;
  const { raw, method } = ok(server.onClientAuth(clientAuth));
  const accept = authenticate(raw);
  const accepted = ok(server.accept(accept));
  const { session } = ok(client.onAccept(accepted.frame));
  const first = ok(session.sealFrame([request]));
  return {
    suite: ['X25519', 'AES-256-GCM', 'Ed25519'],
    method,
    time_ms: NOW_MS,
    inputs: {
      client_x25519_private: clientRandom.drawn[0],
      nonce1: clientRandom.drawn[1],
      client_signing_private: hexOfFill(21),
      server_x25519_private: serverRandom.drawn[0],
      sid: serverRandom.drawn[1],
      nonce2: serverRandom.drawn[2],
      gateway_certificate_private: hexOfFill(1),
      gateway_signing_private: hexOfFill(4),
      ...(method === 'psk'
        ? {
            psk: hexOfFill(0x9c),
            psk_id: hexOfFill(0x1d).slice(32),
            client: 'workload:batch',
            trust_domain: 'sallyport.test',
            kp: hexOf(pskKey),
          }
        : { client_certificate_private: hexOfFill(2) }),
      binding_signing_private: hexOfFill(3),
      session_key: hexOf(sessionKey),
    },
    ...secretsOf(raw, sharedSecret, method === 'psk', accepted.frame),
    frames: [clientHello, serverHello, clientAuth, accepted.frame].map(toHex),
    plaintexts: { server_auth: toHex(raw.serverAuth), client_auth: toHex(raw.clientAuth) },
    first_message: { nonce: clientRandom.drawn[2], frame: toHex(first.bytes) },
  };
}

/** The schedule once more, from the bytes of the handshake and the shared secret. */
function secretsOf(raw: RawHandshake, sharedSecret: Uint8Array, isPsk: boolean, acceptFrame: Uint8Array) {
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
  const thClear = transcript.hash();
  const secrets = deriveHandshakeSecrets(sharedSecret.slice(), thClear);
  transcript
    .append(raw.serverAuth)
    .begin(FRAME_TYPE.clientAuth, raw.clientAuth.length)
    .append(raw.clientAuth);
  const th3 = transcript.hash();
  const acceptSecret = deriveAcceptSecret(secrets.handshake, th3);
  const plaintext = openPart(
    AES_256_GCM,
    acceptSecret,
    FRAME_TYPE.accept,
    view.sid,
    acceptFrame.subarray(18),
  );
  if (plaintext === undefined) throw new Error('Accept does not open');
  const th4 = transcript.begin(FRAME_TYPE.accept, plaintext.length).append(plaintext).hash();
  const channelKey = deriveChannelKey(sessionKey, view.sid, th3);
  const px = isPsk ? pskExport(pskKey, th3) : NO_PSK_EXPORT;
  const keys = deriveFirstEpoch({
    handshake: secrets.handshake,
    channelKey,
    pskExport: px,
    th4,
    sid: view.sid,
  });
  return {
    transcript_hashes: {
      after_clear_server_hello: toHex(thClear),
      sig_s: toHex(view.hashes.serverSignature),
      mac_s: toHex(view.hashes.serverMac),
      spk_c: toHex(view.hashes.clientPublicKey),
      sig_c: toHex(view.hashes.clientSignature),
      mac_c: toHex(view.hashes.clientMac),
      after_client_auth: toHex(th3),
      after_accept: toHex(th4),
    },
    secrets: {
      ss: toHex(sharedSecret),
      hs: hexOf(secrets.handshake),
      hs_c: hexOf(secrets.client),
      hs_s: hexOf(secrets.server),
      ac_s: hexOf(acceptSecret),
      sk: toHex(channelKey),
      px: toHex(px),
      d_c2s: hexOf(keys.c2s),
      d_s2c: hexOf(keys.s2c),
      rs: hexOf(keys.resumption),
    },
    accept_plaintext: toHex(plaintext),
  };
}

const resend = { ...request, firstSentAtMs: NOW_MS - 1500 };

function messageVectors(): unknown {
  const context = clientContext();
  const single = forge();
  const three = forge(
    {},
    [
      request,
      controlMessage({
        kind: 'ack',
        receivedThrough: 9,
        lost: 1,
        gatewayTimeMs: NOW_MS,
        missing: [{ first: 4, count: 2 }],
      }),
      request,
    ],
    { firstSequence: 63 },
  );
  const seed = context.seeds.keyOf(1);
  const headerLength = (single[HEADER_AT - 2] ?? 0) * 256 + (single[HEADER_AT - 1] ?? 0);
  const header = single.subarray(HEADER_AT, HEADER_AT + headerLength);
  const tag = contentTag(seed, header.subarray(0, -32), request.payload);
  const session = gatewaySession();
  const opened = ok(session.openFrame(three));
  const evidence = evidenceOf(session, opened, 1);
  const root = merkleRoot(opened.proof.leaves);
  const claim = {
    bindingHash: context.bindingHash,
    direction: 'c2s' as const,
    epoch: 0,
    firstSequence: 63,
    count: 3,
    root,
  };
  return {
    sid: toHex(context.sid),
    d_c2s: 'c2'.repeat(32),
    sb: toHex(context.bindingHash),
    signing_private: hexOfFill(11),
    signing_public: toHex(ED25519.rawPublicKey(clientKeys.publicKey)),
    time_ms: NOW_MS,
    seeds: [1, 2, 63, 64, 65].map((sequence) => ({ sequence, seed: toHex(context.seeds.rawOf(sequence)) })),
    single: {
      message: readable(request),
      header: toHex(header),
      tag: toHex(tag),
      mk: hexOf(messageKey(seed, tag, 32)),
      frame: toHex(single),
    },
    three: {
      frame: toHex(three),
      sequences: opened.messages.map(({ sequence }) => sequence),
      payloads: opened.messages.map(({ payload }) => toHex(payload)),
      leaves: opened.proof.leaves.map(toHex),
      root: toHex(root),
      signature_input: toHex(batchSignatureInput(claim)),
    },
    resend: {
      message: readable(resend),
      frame: toHex(forge({}, [resend], { firstSequence: 2 })),
    },
    evidence_of_second: {
      header: toHex(evidence.header),
      sealed_digest: toHex(evidence.sealedDigest),
      count: evidence.count,
      first_sequence: evidence.firstSequence,
      path: evidence.path.map(toHex),
      signature: toHex(evidence.signature),
    },
    refusal_payload: {
      refusal: { code: 'denied', retry_after_ms: 0, detail: 'no' },
      bytes: toHex(encodeRefusal({ code: 'denied', retryAfterMs: 0, detail: 'no' })),
    },
  };
}

/** Frames that a receiver with the keys of messages.json refuses. The causes are ours; the wire says `invalid_message`. */
function refusedFrames(): unknown {
  const good = forge();
  const changed = (at: number, value: number) => {
    const copy = good.slice();
    copy[at] = value;
    return copy;
  };
  const rows: readonly (readonly [string, Uint8Array])[] = [
    ['cut by a byte', good.subarray(0, -1)],
    ['a byte too long', Uint8Array.of(...good, 0)],
    ['version 2', changed(0, 2)],
    ['unknown type', changed(1, 0x11)],
    ['another session', changed(2, 0xff)],
    ['a flag', changed(HEADER_AT + 1, 1)],
    ['kind 6', changed(HEADER_AT + 55, 6)],
    ['another sequence in the header', changed(HEADER_AT + 30, 2)],
    ['another nonce', changed(HEADER_AT + 39, 0xff)],
    ['another signature', changed(good.length - 1, (good.at(-1) ?? 0) ^ 1)],
    ['the other direction', forge({ direction: 's2c' })],
    ['epoch 1', forge({ epoch: 1 })],
    ['stale', forge({}, [request], { sentAtMs: NOW_MS - 30_001 })],
    ['from the future', forge({}, [request], { sentAtMs: NOW_MS + 30_001 })],
    ['signed by another key', forge({ signingKey: keysOf(99).privateKey })],
    ['beyond the epoch', forge({}, [request], { firstSequence: 2 ** 20 + 1 })],
  ];
  return rows.map(([what, frame]) => {
    const result = gatewaySession().openFrame(frame);
    if (result.ok) throw new Error(`${what} is accepted`);
    return { what, frame: toHex(frame), cause: result.cause };
  });
}

/** A fresh hybrid exchange, for the one file that is fixed data. */
export function makeHybrid(): unknown {
  const drawn = recording(countingRandom(7));
  const offer = X25519MLKEM768.offer(drawn.random);
  const answer = X25519MLKEM768.respond(offer.share);
  if (answer === undefined) throw new Error('no answer');
  return {
    mlkem_seed: drawn.drawn[0],
    x25519_private: drawn.drawn[1],
    client_share: toHex(offer.share),
    server_share: toHex(answer.share),
    secret: toHex(answer.secret),
  };
}

function recording(source: RandomSource): { random: RandomSource; drawn: string[] } {
  const drawn: string[] = [];
  const random = (length: number) => {
    const bytes = source(length);
    drawn.push(toHex(bytes));
    return bytes;
  };
  return { random, drawn };
}

/** Byte strings of a flat record as hexadecimal. */
function readable(value: object): unknown {
  return Object.fromEntries(
    Object.entries(value).map(([key, field]: [string, unknown]) => [
      key,
      field instanceof Uint8Array ? toHex(field) : field,
    ]),
  );
}

function hexOf(key: KeyObject): string {
  return key.export().toString('hex');
}

function hexOfFill(fill: number): string {
  return toHex(new Uint8Array(32).fill(fill));
}

/** Public halves that a reader of the vectors needs to check signatures. */
export const publicKeys = {
  gateway_certificate: toHex(ED25519.rawPublicKey(gatewayCertificateKeys.publicKey)),
  client_certificate: toHex(ED25519.rawPublicKey(clientCertificateKeys.publicKey)),
  binding: toHex(ED25519.rawPublicKey(bindingKeys.publicKey)),
};
