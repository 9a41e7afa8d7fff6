/**
 * The client's side of a handshake, without I/O (docs/protocol.md section 4).
 *
 * The gateway is believed nothing it has not proved. Its chain, name, delegation, signature over this transcript, in
 * PSK mode its knowledge of the key, and its Finished are all checked before the client says who it is; the session is
 * used only after the binding in Accept turned out to be of this very handshake.
 */
import type { KeyObject } from 'node:crypto';
import {
  concatBytes,
  constantTimeEqual,
  randomBytes,
  signatureInput,
  type KexOffer,
  type RandomSource,
  type SignatureKeyPair,
} from '@sallyport/crypto';
import { areLimitsSound, parseAccept, parseReject, type Accept } from './accept.ts';
import { parseAlert, type Alert } from './alert.ts';
import { bindingOf, offeredBindings } from './channel-binding.ts';
import { parseBinding, verifyBindingSignature, type SessionBinding } from './binding.ts';
import { failure, type Failure, type HandshakeCause } from './causes.ts';
import { encodeCredential } from './client-auth.ts';
import { encodeClientHello, type ClientHello } from './client-hello.ts';
import { FRAME_TYPE, HELLO_NONCE_LENGTH, METHOD, PROTOCOL_VERSION, SID_LENGTH } from './constants.ts';
import { encodeFrame, parseFrame, type Frame } from './frame.ts';
import { GatewayClock } from './gateway-clock.ts';
import { checkGatewayKey } from './gateway-trust.ts';
import { isZero } from './is-zero.ts';
import {
  deriveAcceptSecret,
  deriveFirstEpoch,
  deriveHandshakeSecrets,
  finishedMac,
  NO_PSK_EXPORT,
  openPart,
  sealPart,
  type HandshakeSecrets,
} from './key-schedule.ts';
import type { ClientHandshakeOptions } from './client-options.ts';
import { pskClientProof, pskExport, pskServerProof } from './psk.ts';
import { wasOffered } from './raw-handshake.ts';
import type { Refusal } from './refusal.ts';
import { encodeMac, parseServerAuth, parseServerHelloClear, type ServerHelloClear } from './server-hello.ts';
import { Session } from './session.ts';
import { DEFAULT_SUITES, suiteOf, type Suite } from './suite.ts';
import { Transcript } from './transcript.ts';
import { lp16 } from './wire.ts';

const MAC_LENGTH = 32;
const TAG_LENGTH = 16;

/** `alert` came in clear and proves nothing; `refusal` was sealed by the gateway for this client. */
export interface ClientFailure extends Failure<HandshakeCause> {
  readonly alert?: Alert;
  readonly refusal?: Refusal;
}

export interface Established {
  readonly ok: true;
  readonly session: Session;
  readonly binding: SessionBinding;
  /** Gateway time; `adjust` it by acknowledgements. The session uses it. */
  readonly gatewayClock: GatewayClock;
}

interface Hello {
  readonly hello: ClientHello;
  readonly body: Uint8Array;
  readonly offers: ReadonlyMap<number, KexOffer>;
  readonly askedAtMs: number;
}

interface Proved {
  readonly sid: Uint8Array;
  readonly suite: Suite;
  readonly transcript: Transcript;
  readonly secrets: HandshakeSecrets;
  readonly gatewayKey: KeyObject;
  readonly gatewayClock: GatewayClock;
}

type Phase =
  | { readonly kind: 'start' }
  | { readonly kind: 'greeting'; readonly hello: Hello }
  | { readonly kind: 'busy' }
  | {
      readonly kind: 'authenticating';
      readonly proved: Proved;
      readonly signing: SignatureKeyPair;
      readonly th3: Uint8Array;
    }
  | { readonly kind: 'over' };

export class ClientHandshake {
  readonly #options: ClientHandshakeOptions;
  readonly #random: RandomSource;
  #phase: Phase = { kind: 'start' };

  constructor(options: ClientHandshakeOptions) {
    this.#options = options;
    this.#random = options.random ?? randomBytes;
  }

  /** ClientHello. Throws when called twice. */
  start(): Uint8Array {
    if (this.#phase.kind !== 'start') throw new Error('a handshake starts once');
    const { suites = DEFAULT_SUITES, credential, clock } = this.#options;
    const offers = new Map(suites.kex.map((row) => [row.id, row.offer(this.#random)]));
    const hello: ClientHello = {
      versions: [PROTOCOL_VERSION],
      kex: [...offers].map(([id, { share }]) => ({ id, share })),
      aead: suites.aead.map(({ id }) => id),
      signature: suites.signature.map(({ id }) => id),
      channelBindings: offeredBindings(this.#options),
      method: METHOD[credential.method],
      pskId: credential.method === 'psk' ? credential.pskId : undefined,
      nonce: this.#random(HELLO_NONCE_LENGTH),
      timeMs: clock(),
    };
    const body = encodeClientHello(hello);
    this.#phase = { kind: 'greeting', hello: { hello, body, offers, askedAtMs: hello.timeMs } };
    return encodeFrame(FRAME_TYPE.clientHello, new Uint8Array(SID_LENGTH), body);
  }

  /** Checks the gateway's proof and answers with ClientAuth. No credential leaves before every check has passed. */
  async onServerHello(bytes: Uint8Array): Promise<{ ok: true; frame: Uint8Array } | ClientFailure> {
    if (this.#phase.kind !== 'greeting') return this.#fail('out_of_order');
    const { hello } = this.#phase;
    this.#phase = { kind: 'busy' };
    const frame = this.#readFrame(bytes, FRAME_TYPE.serverHello);
    if (!frame.ok) return frame;
    const proved = await this.#checkGateway(hello, frame);
    if (!proved.ok) return proved;
    if (this.#phase.kind !== 'busy') return this.#fail('out_of_order'); // it failed while the chain was checked
    return { ok: true, frame: await this.#authenticate(proved) };
  }

  /** Checks Accept, its binding above all, and gives the session. */
  onAccept(bytes: Uint8Array): Established | ClientFailure {
    if (this.#phase.kind !== 'authenticating') return this.#fail('out_of_order');
    const { proved, signing, th3 } = this.#phase;
    this.#phase = { kind: 'over' };
    const { sid, suite, secrets } = proved;
    const secret = deriveAcceptSecret(secrets.handshake, th3);
    const frame = this.#readFrame(bytes, FRAME_TYPE.accept, FRAME_TYPE.reject);
    if (!frame.ok) return frame;
    if (!constantTimeEqual(frame.sid, sid)) return this.#fail('wrong_session');
    const plaintext = openPart(suite.aead, secret, frame.type, sid, frame.body);
    if (plaintext === undefined) return this.#fail('sealed_part');
    if (frame.type === FRAME_TYPE.reject) {
      const refusal = parseReject(plaintext);
      return refusal.ok ? { ...failure('rejected'), refusal } : this.#fail(refusal.cause);
    }
    try {
      return this.#establish(plaintext, secret, proved, signing, th3);
    } finally {
      plaintext.fill(0); // it holds SK
    }
  }

  #establish(
    plaintext: Uint8Array,
    secret: KeyObject,
    proved: Proved,
    signing: SignatureKeyPair,
    th3: Uint8Array,
  ): Established | ClientFailure {
    const { sid, suite, transcript, secrets } = proved;
    const parsed = parseAccept(plaintext);
    if (!parsed.ok) return this.#fail(parsed.cause);
    const { accept, finished, finishedAt } = parsed;
    transcript.begin(FRAME_TYPE.accept, plaintext.length).append(plaintext.subarray(0, finishedAt));
    if (!constantTimeEqual(finishedMac(secret, transcript.hash()), finished)) return this.#fail('finished');
    if (!areLimitsSound(accept.limits)) return this.#fail('limits');
    const binding = this.#checkBinding(accept, proved, signing, th3);
    if (!binding.ok) return binding;
    const th4 = transcript.append(finished).hash();
    const { credential } = this.#options;
    const px = credential.method === 'psk' ? pskExport(credential.pskKey, th3) : NO_PSK_EXPORT;
    const session = new Session({
      role: 'client',
      sid,
      suite,
      keys: deriveFirstEpoch({
        handshake: secrets.handshake,
        channelKey: accept.sessionKey,
        pskExport: px,
        th4,
        sid,
      }),
      signingKey: signing.privateKey,
      peerKey: proved.gatewayKey,
      binding,
      signedBinding: accept.binding,
      limits: accept.limits,
      lease: accept.lease,
      clock: proved.gatewayClock.now,
      random: this.#options.random,
    });
    return { ok: true, session, binding, gatewayClock: proved.gatewayClock };
  }

  #readFrame(bytes: Uint8Array, ...expected: readonly number[]): Frame | ClientFailure {
    const frame = parseFrame(bytes);
    if (!frame.ok) return this.#fail(frame.cause);
    if (frame.type === FRAME_TYPE.alert) {
      const alert = parseAlert(frame.body);
      return alert.ok ? { ...this.#fail('alert'), alert } : this.#fail(alert.cause);
    }
    return expected.includes(frame.type) ? frame : this.#fail('unexpected_type');
  }

  async #checkGateway(start: Hello, frame: Frame): Promise<({ ok: true } & Proved) | ClientFailure> {
    const { credential, suites = DEFAULT_SUITES, clock } = this.#options;
    const clear = parseServerHelloClear(frame.body);
    if (!clear.ok) return this.#fail(clear.cause);
    if (!constantTimeEqual(clear.sid, frame.sid) || isZero(clear.sid)) return this.#fail('wrong_session');
    const suite = suiteOf(suites, clear);
    const offer = start.offers.get(clear.kex);
    if (suite === undefined || offer === undefined || !wasOffered(start.hello, clear))
      return this.#fail('not_offered');
    const sharedSecret = offer.finish(clear.share);
    if (sharedSecret === undefined) return this.#fail('bad_share');
    const gatewayClock = new GatewayClock(clock, clear.timeMs, start.askedAtMs);

    const transcript = this.#transcriptThrough(start, frame.body, clear.length, clear);
    const secrets = deriveHandshakeSecrets(sharedSecret, transcript.hash());
    const sealed = frame.body.subarray(clear.length);
    const plaintext = openPart(suite.aead, secrets.server, FRAME_TYPE.serverHello, frame.sid, sealed);
    if (plaintext === undefined) return this.#fail('sealed_part');
    const parsed = parseServerAuth(plaintext);
    if (!parsed.ok) return this.#fail(parsed.cause);
    const { auth, at } = parsed;

    const cause = await checkGatewayKey(this.#options, auth, clock());
    if (cause !== undefined) return this.#fail(cause);
    const gatewayKey = suite.signature.publicKeyFromRaw(auth.publicKey);
    const thSignature = transcript.append(plaintext.subarray(0, at.signature)).hash();
    const message = signatureInput('server auth', thSignature);
    if (gatewayKey === undefined || !suite.signature.verify(gatewayKey, message, auth.signature)) {
      return this.#fail('gateway_signature');
    }
    const thMac = transcript.append(plaintext.subarray(at.signature, at.mac)).hash();
    const expectedMac = credential.method === 'psk' ? pskServerProof(credential.pskKey, thMac) : undefined;
    if (!isSameMac(expectedMac, auth.mac)) return this.#fail('psk_proof');
    const thFinished = transcript.append(plaintext.subarray(at.mac, at.finished)).hash();
    if (!constantTimeEqual(finishedMac(secrets.server, thFinished), auth.finished))
      return this.#fail('finished');
    transcript.append(auth.finished);
    return { ok: true, sid: clear.sid.slice(), suite, transcript, secrets, gatewayKey, gatewayClock };
  }

  #transcriptThrough(
    start: Hello,
    body: Uint8Array,
    clearLength: number,
    clear: ServerHelloClear,
  ): Transcript {
    return new Transcript()
      .begin(FRAME_TYPE.clientHello, start.body.length)
      .append(start.body)
      .begin(FRAME_TYPE.serverHello, Math.max(0, body.length - TAG_LENGTH))
      .append(body.subarray(0, clearLength))
      .bindChannel(bindingOf(clear.channelBinding, this.#options.exporter));
  }

  async #authenticate(proved: Proved): Promise<Uint8Array> {
    const { credential } = this.#options;
    const { suite, transcript, secrets, sid } = proved;
    const signing = this.#options.signing ?? suite.signature.generate();
    const publicKey = suite.signature.rawPublicKey(signing.publicKey);
    const isPsk = credential.method === 'psk';
    const credentialField = encodeCredential(credential);
    // sig_cred's length is known only once it is made, but every length before it must be in TH: Ed25519 leaves sign.
    const credentialSignatureLength = isPsk ? 0 : CREDENTIAL_SIGNATURE_LENGTH;
    const length =
      credentialField.length +
      (2 + publicKey.length) +
      (2 + credentialSignatureLength) +
      (2 + suite.signature.signatureLength) +
      (1 + (isPsk ? MAC_LENGTH : 0)) +
      MAC_LENGTH;
    transcript.begin(FRAME_TYPE.clientAuth, length).append(credentialField);
    const thPublicKey = transcript.hash();
    const credentialSignature = isPsk
      ? new Uint8Array(0)
      : await credential.sign(signatureInput('client auth', thPublicKey, publicKey));
    if (credentialSignature.length !== credentialSignatureLength) {
      throw new Error(
        `the credential's key must make Ed25519 signatures of ${CREDENTIAL_SIGNATURE_LENGTH} bytes`,
      );
    }
    const keyFields = concatBytes(lp16(publicKey), lp16(credentialSignature));
    const thSignature = transcript.append(keyFields).hash();
    const signature = lp16(
      suite.signature.sign(signing.privateKey, signatureInput('client key', thSignature)),
    );
    const thMac = transcript.append(signature).hash();
    const mac = encodeMac(isPsk ? pskClientProof(credential.pskKey, thMac) : undefined);
    const finished = finishedMac(secrets.client, transcript.append(mac).hash());
    const th3 = transcript.append(finished).hash();
    this.#phase = { kind: 'authenticating', proved, signing, th3 };
    const plaintext = concatBytes(credentialField, keyFields, signature, mac, finished);
    const sealed = sealPart(suite.aead, secrets.client, FRAME_TYPE.clientAuth, sid, plaintext);
    return encodeFrame(FRAME_TYPE.clientAuth, sid, sealed);
  }

  #checkBinding(
    accept: Accept,
    proved: Proved,
    signing: SignatureKeyPair,
    th3: Uint8Array,
  ): ({ ok: true } & SessionBinding) | ClientFailure {
    const { credential, trustDomain, expectedPrincipal, bindingKey } = this.#options;
    const { bytes, signature } = accept.binding;
    const binding = parseBinding(bytes);
    if (!binding.ok) return this.#fail(binding.cause);
    const isOurs =
      constantTimeEqual(binding.sid, proved.sid) &&
      constantTimeEqual(binding.transcriptHash, th3) &&
      constantTimeEqual(binding.clientPublicKey, proved.suite.signature.rawPublicKey(signing.publicKey)) &&
      binding.signatureAlgorithm === proved.suite.signature.id &&
      binding.method === credential.method &&
      binding.trustDomain === trustDomain &&
      (expectedPrincipal === undefined || binding.principal === expectedPrincipal);
    if (!isOurs) return this.#fail('binding_mismatch');
    if (bindingKey !== undefined && !verifyBindingSignature(bindingKey, bytes, signature)) {
      return this.#fail('binding_signature');
    }
    const now = proved.gatewayClock.now();
    const isValid = binding.notBeforeMs <= now + VALIDITY_SLACK_MS && now <= binding.notAfterMs;
    return isValid ? binding : this.#fail('binding_validity');
  }

  #fail(cause: HandshakeCause): ClientFailure {
    this.#phase = { kind: 'over' };
    return failure(cause);
  }
}

const CREDENTIAL_SIGNATURE_LENGTH = 64;
/** auth-service's clock may be a little ahead of the gateway's. */
const VALIDITY_SLACK_MS = 5_000;

function isSameMac(expected: Uint8Array | undefined, mac: Uint8Array | undefined): boolean {
  if (expected === undefined || mac === undefined) return expected === mac;
  return constantTimeEqual(expected, mac);
}
