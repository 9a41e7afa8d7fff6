/**
 * The gateway's side of a handshake, without I/O (docs/protocol.md section 4).
 *
 * One object lives for one handshake and answers each message at most once; after a failure it is dead. The gateway
 * proves itself before the client says who it is, and asks no other service but for the PSK proof before ClientAuth
 * has been checked here.
 */
import {
  concatBytes,
  constantTimeEqual,
  randomBytes,
  signatureInput,
  type RandomSource,
} from '@sallyport/crypto';
import { areLimitsSound, DEFAULT_LIMITS, encodeAcceptStart, encodeReject } from './accept.ts';
import { alertFor, encodeAlert } from './alert.ts';
import { parseBinding, type SessionBinding } from './binding.ts';
import { chooseBinding } from './channel-binding.ts';
import { failure, type Failure, type HandshakeCause } from './causes.ts';
import { parseClientAuth, type ClientAuth } from './client-auth.ts';
import { parseClientHello, type ClientHello } from './client-hello.ts';
import {
  FRAME_TYPE,
  HELLO_NONCE_LENGTH,
  METHOD,
  nameOf,
  PROTOCOL_VERSION,
  SID_LENGTH,
  type Method,
} from './constants.ts';
import { encodeFrame, frameHeader, parseFrame } from './frame.ts';
import { isZero } from './is-zero.ts';
import {
  deriveAcceptSecret,
  deriveChannelKey,
  deriveFirstEpoch,
  deriveHandshakeSecrets,
  finishedMac,
  NO_PSK_EXPORT,
  openPart,
  sealPart,
  type HandshakeSecrets,
} from './key-schedule.ts';
import type { RawHandshake } from './raw-handshake.ts';
import type { Refusal } from './refusal.ts';
import { encodeMac, encodeServerAuthStart, encodeServerHelloClear } from './server-hello.ts';
import type {
  AcceptInput,
  AuthenticationRequest,
  ServerFailure,
  ServerHandshakeOptions,
} from './server-options.ts';
import { Session } from './session.ts';
import { chooseSuite, DEFAULT_SUITES, type Suite } from './suite.ts';
import { Transcript } from './transcript.ts';
import { lp16 } from './wire.ts';

const MAC_LENGTH = 32;

type Phase =
  | { readonly kind: 'start' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'greeted'; readonly state: Greeted }
  | {
      readonly kind: 'authenticated';
      readonly state: Greeted;
      readonly client: ClientAuth;
      readonly th3: Uint8Array;
    }
  | { readonly kind: 'over' };

interface Greeted {
  readonly sid: Uint8Array;
  readonly method: Method;
  readonly suite: Suite;
  readonly transcript: Transcript;
  readonly secrets: HandshakeSecrets;
  readonly raw: RawHandshake;
}

export class ServerHandshake {
  readonly #options: ServerHandshakeOptions;
  readonly #random: RandomSource;
  #phase: Phase = { kind: 'start' };
  #sid: Uint8Array | undefined;

  constructor(options: ServerHandshakeOptions) {
    this.#options = options;
    this.#random = options.random ?? randomBytes;
  }

  /** The session id, once ServerHello was made. */
  get sid(): Uint8Array | undefined {
    return this.#sid;
  }

  /** ServerHello for a ClientHello. One key agreement and one signature at most; in PSK mode one call for the proof. */
  async onClientHello(frame: Uint8Array): Promise<{ ok: true; frame: Uint8Array } | ServerFailure> {
    if (this.#phase.kind !== 'start') return this.#fail('out_of_order');
    this.#phase = { kind: 'busy' };
    const read = readClientHello(frame);
    if (!read.ok) return this.#fail(read.cause);
    const { hello, body } = read;
    const method = nameOf(METHOD, hello.method);
    if (method === undefined || (method === 'psk' && this.#options.pskServerProof === undefined)) {
      return this.#fail('unsupported_method');
    }
    const channelBinding = chooseBinding(this.#options, hello.channelBindings);
    if (channelBinding === undefined) return this.#fail('channel_binding_refused');
    const suite = chooseSuite(this.#options.suites ?? DEFAULT_SUITES, hello);
    const offered = suite && hello.kex.find(({ id }) => id === suite.kex.id);
    if (suite === undefined || offered === undefined) return this.#fail('no_common_suite');
    const agreed = suite.kex.respond(offered.share, this.#random);
    if (agreed === undefined) return this.#fail('bad_share');

    const sid = this.#random(SID_LENGTH);
    this.#sid = sid;
    const clear = encodeServerHelloClear({
      version: PROTOCOL_VERSION,
      kex: suite.kex.id,
      share: agreed.share,
      aead: suite.aead.id,
      signature: suite.signature.id,
      channelBinding: channelBinding.type,
      nonce: this.#random(HELLO_NONCE_LENGTH),
      timeMs: this.#options.clock(),
      sid,
    });
    const { identity } = this.#options;
    const start = encodeServerAuthStart({
      chainDer: identity.chainDer,
      publicKey: suite.signature.rawPublicKey(identity.signing.publicKey),
      delegation: identity.delegation,
    });
    const macLength = 1 + (method === 'psk' ? MAC_LENGTH : 0);
    const authLength = start.length + 2 + suite.signature.signatureLength + macLength + MAC_LENGTH;
    const transcript = new Transcript()
      .begin(FRAME_TYPE.clientHello, body.length)
      .append(body)
      .begin(FRAME_TYPE.serverHello, clear.length + authLength)
      .append(clear)
      .bindChannel(channelBinding);
    const secrets = deriveHandshakeSecrets(agreed.secret, transcript.hash());
    const th = transcript.append(start).hash();
    const signature = lp16(
      suite.signature.sign(identity.signing.privateKey, signatureInput('server auth', th)),
    );
    transcript.append(signature);
    const raw: RawHandshake = {
      clientHello: frame,
      serverHello: encodeFrame(FRAME_TYPE.serverHello, sid, clear),
      channelBindingType: channelBinding.type,
      channelBinding: channelBinding.value,
      serverAuth: concatBytes(start, signature),
      clientAuth: new Uint8Array(0),
    };
    const mac = encodeMac(method === 'psk' ? await this.#options.pskServerProof?.(raw) : undefined);
    if (this.#phase.kind !== 'busy') return this.#fail('out_of_order'); // it failed while the proof was awaited
    if (mac.length !== macLength) return this.#fail('psk_proof');
    const finished = finishedMac(secrets.server, transcript.append(mac).hash());
    transcript.append(finished);
    const serverAuth = concatBytes(raw.serverAuth, mac, finished);
    const sealed = sealPart(suite.aead, secrets.server, FRAME_TYPE.serverHello, sid, serverAuth);
    const answer = concatBytes(raw.serverHello, sealed);
    const state = {
      sid,
      method,
      suite,
      transcript,
      secrets,
      raw: { ...raw, serverHello: answer, serverAuth },
    };
    this.#phase = { kind: 'greeted', state };
    return { ok: true, frame: answer };
  }

  /**
   * Opens ClientAuth and checks what needs no other service: fin_c, the signing key and sig_c. One attempt. What is left
   * (credential, sig_cred or mac_c) is auth-service's, from `raw`.
   */
  onClientAuth(frame: Uint8Array): AuthenticationRequest | ServerFailure {
    if (this.#phase.kind !== 'greeted') return this.#fail('out_of_order');
    const { state } = this.#phase;
    this.#phase = { kind: 'over' };
    const { sid, suite, transcript, secrets, method } = state;
    const parsed = parseFrame(frame);
    if (!parsed.ok) return this.#fail(parsed.cause);
    if (parsed.type !== FRAME_TYPE.clientAuth) return this.#fail('unexpected_type');
    if (!constantTimeEqual(parsed.sid, sid)) return this.#fail('wrong_session');
    const plaintext = openPart(suite.aead, secrets.client, FRAME_TYPE.clientAuth, sid, parsed.body);
    if (plaintext === undefined) return this.#fail('sealed_part');
    const client = parseClientAuth(plaintext);
    if (!client.ok) return this.#fail(client.cause);
    if (client.auth.credential.method !== method) return this.#fail('unsupported_method');
    transcript
      .begin(FRAME_TYPE.clientAuth, plaintext.length)
      .append(plaintext.subarray(0, client.at.signature));
    const thSignature = transcript.hash();
    const thFinished = transcript.append(plaintext.subarray(client.at.signature, client.at.finished)).hash();
    if (!constantTimeEqual(finishedMac(secrets.client, thFinished), client.auth.finished))
      return this.#fail('finished');
    const key = suite.signature.publicKeyFromRaw(client.auth.publicKey);
    const message = signatureInput('client key', thSignature);
    if (key === undefined || !suite.signature.verify(key, message, client.auth.signature)) {
      return this.#fail('client_key');
    }
    const th3 = transcript.append(client.auth.finished).hash();
    this.#phase = { kind: 'authenticated', state, client: client.auth, th3 };
    return { ok: true, sid, method, raw: { ...state.raw, clientAuth: plaintext } };
  }

  /** Accept and the session, after credential, session key and policy. Refuses a binding of another handshake. */
  accept(input: AcceptInput): { ok: true; frame: Uint8Array; session: Session } | ServerFailure {
    if (this.#phase.kind !== 'authenticated') return this.#fail('out_of_order');
    const { state, client, th3 } = this.#phase;
    this.#phase = { kind: 'over' };
    const { sid, suite, transcript, secrets } = state;
    const limits = input.limits ?? DEFAULT_LIMITS;
    if (!areLimitsSound(limits)) return this.#fail('limits');
    const binding = parseBinding(input.binding.bytes);
    if (!binding.ok || !this.#fits(binding, state, client, th3)) return this.#fail('binding_mismatch');
    const pskExport = pskExportOf(state.method, input.pskExport);
    const peerKey = suite.signature.publicKeyFromRaw(client.publicKey);
    if (pskExport === undefined || peerKey === undefined) return this.#fail('psk_proof');
    const channelKey = deriveChannelKey(input.sessionKey, sid, th3);
    const start = encodeAcceptStart({
      sessionKey: channelKey,
      binding: input.binding,
      limits,
      lease: input.lease,
    });
    const secret = deriveAcceptSecret(secrets.handshake, th3);
    transcript.begin(FRAME_TYPE.accept, start.length + MAC_LENGTH).append(start);
    const finished = finishedMac(secret, transcript.hash());
    const th4 = transcript.append(finished).hash();
    const plaintext = concatBytes(start, finished);
    const sealed = sealPart(suite.aead, secret, FRAME_TYPE.accept, sid, plaintext);
    const keys = deriveFirstEpoch({ handshake: secrets.handshake, channelKey, pskExport, th4, sid });
    for (const secretBytes of [channelKey, start, plaintext]) secretBytes.fill(0); // each holds SK
    const session = new Session({
      role: 'gateway',
      sid,
      suite,
      keys,
      signingKey: this.#options.identity.signing.privateKey,
      peerKey,
      binding,
      signedBinding: input.binding,
      limits,
      lease: input.lease,
      clock: this.#options.clock,
      random: this.#options.random,
    });
    return { ok: true, frame: encodeFrame(FRAME_TYPE.accept, sid, sealed), session };
  }

  /** Instead of `accept`: tells the authenticated client why not, sealed. Throws unless ClientAuth was good. */
  reject(refusal: Refusal): Uint8Array {
    if (this.#phase.kind !== 'authenticated') throw new Error('only an authenticated client hears a reason');
    const { state, th3 } = this.#phase;
    this.#phase = { kind: 'over' };
    const secret = deriveAcceptSecret(state.secrets.handshake, th3);
    const sealed = sealPart(state.suite.aead, secret, FRAME_TYPE.reject, state.sid, encodeReject(refusal));
    return concatBytes(frameHeader(FRAME_TYPE.reject, state.sid), sealed);
  }

  #fits(binding: SessionBinding, state: Greeted, client: ClientAuth, th3: Uint8Array): boolean {
    return (
      constantTimeEqual(binding.sid, state.sid) &&
      constantTimeEqual(binding.transcriptHash, th3) &&
      constantTimeEqual(binding.clientPublicKey, client.publicKey) &&
      binding.signatureAlgorithm === state.suite.signature.id &&
      binding.method === state.method &&
      binding.trustDomain === this.#options.identity.trustDomain
    );
  }

  #fail(cause: HandshakeCause): ServerFailure {
    this.#phase = { kind: 'over' };
    return { ...failure(cause), alert: encodeAlert(this.#sid, alertFor(cause)) };
  }
}

function readClientHello(
  frame: Uint8Array,
): { ok: true; hello: ClientHello; body: Uint8Array } | Failure<HandshakeCause> {
  const parsed = parseFrame(frame);
  if (!parsed.ok) return parsed;
  if (parsed.type !== FRAME_TYPE.clientHello) return failure('unexpected_type');
  if (!isZero(parsed.sid)) return failure('wrong_session');
  const hello = parseClientHello(parsed.body);
  if (!hello.ok) return hello;
  if (!hello.versions.includes(PROTOCOL_VERSION)) return failure('no_common_version');
  return { ok: true, hello, body: parsed.body };
}

/** PX: zero without a pre-shared key; undefined when what auth-service gave does not fit the method. */
function pskExportOf(method: Method, given: Uint8Array | undefined): Uint8Array | undefined {
  const value = given ?? new Uint8Array(0);
  if (method === 'certificate') return value.length === 0 ? NO_PSK_EXPORT : undefined;
  return value.length === NO_PSK_EXPORT.length ? value : undefined;
}
