/**
 * The gateway's side of a resume, without I/O (docs/protocol.md sections 4.6 to 4.8).
 *
 * One object lives for one ResumeHello and takes each step at most once; after a failure it is dead. Nothing changes for a
 * session that is attached elsewhere until `onFirstFrame` gave a session: only then has somebody with the client's signing
 * key, RS and a fresh share spoken, and only then may its attachment be raised.
 */
import type { KeyObject } from 'node:crypto';
import {
  concatBytes,
  constantTimeEqual,
  randomBytes,
  signatureInput,
  type RandomSource,
} from '@sallyport/crypto';
import type { SessionLease } from './accept.ts';
import { alertFor, encodeAlert } from './alert.ts';
import { failure, type Failure, type HandshakeCause, type MessageCause } from './causes.ts';
import { chooseBinding } from './channel-binding.ts';
import { FRAME_TYPE, HELLO_NONCE_LENGTH } from './constants.ts';
import { parseControl } from './control.ts';
import { encodeFrame } from './frame.ts';
import type { GatewayIdentity } from './gateway-identity.ts';
import {
  binderMac,
  deriveEpochKey,
  deriveResumedEpoch,
  deriveResumeSecrets,
  finishedMac,
  sealPart,
} from './key-schedule.ts';
import type { OpenedFrame } from './open-frame.ts';
import { encodeResumeAnswerClear, encodeResumeGrant } from './resume-answer.ts';
import { readResumeHello, type ResumeHello } from './resume-hello.ts';
import type { ResumptionRecord } from './resumption-record.ts';
import { encodeServerAuthStart } from './server-hello.ts';
import { Session } from './session.ts';
import { DEFAULT_SUITES, type SuitePolicy } from './suite.ts';
import { Transcript, type ChannelBinding } from './transcript.ts';
import { lp16 } from './wire.ts';

const MAC_LENGTH = 32;
const MAX_EPOCH = 0xffff_ffff;

export interface ServerResumeOptions {
  readonly identity: GatewayIdentity;
  /** Of the session that `readResumeHello` named. */
  readonly record: ResumptionRecord;
  /** Gateway time, milliseconds since the Unix epoch. */
  readonly clock: () => number;
  readonly suites?: SuitePolicy | undefined;
  /** The carrier's TLS exporter (32 bytes, `EXPORTER_LABEL`), where it has one. */
  readonly exporter?: Uint8Array | undefined;
  /** Refuse clients that cannot bind to the carrier; never falls back. */
  readonly isChannelBindingRequired?: boolean | undefined;
  readonly random?: RandomSource | undefined;
}

/** `cause` is for the audit log, `alert` is the frame to send. */
export interface ResumeFailure extends Failure<HandshakeCause | MessageCause> {
  readonly alert: Uint8Array;
}

/** The client has proved itself; nothing was agreed yet and nothing has changed. */
export interface VerifiedResume {
  readonly ok: true;
  /** e', should the resume be completed. */
  readonly epoch: number;
  /** The highest sequence of the gateway that the client has. */
  readonly receivedByClient: number;
}

export interface ResumeInput {
  /** The session key of key-service; SK' is derived from it here. */
  readonly sessionKey: KeyObject;
  readonly lease: SessionLease;
  /** H of the session's guard: the highest sequence of the client that was accepted. */
  readonly receivedThrough: number;
}

export interface Resumed {
  readonly ok: true;
  /** In epoch e'. Its `resumptionRecord` takes the place of the one that was resumed, by compare-and-set on the epoch. */
  readonly session: Session;
  /** The first frame, opened; `finished` is its first message. On attach everything before `firstSequence` is closed. */
  readonly opened: OpenedFrame;
}

interface Verified {
  readonly hello: ResumeHello;
  readonly channelBinding: ChannelBinding;
  readonly binder: number;
  readonly transcript: Transcript;
}

type Phase =
  | { readonly kind: 'start' }
  | { readonly kind: 'verified'; readonly verified: Verified }
  | { readonly kind: 'answered'; readonly session: Session; readonly finished: Uint8Array }
  | { readonly kind: 'over' };

export class ServerResume {
  readonly #options: ServerResumeOptions;
  readonly #random: RandomSource;
  #phase: Phase = { kind: 'start' };

  constructor(options: ServerResumeOptions) {
    this.#options = options;
    this.#random = options.random ?? randomBytes;
  }

  /** Checks what needs no other service: RS (binder) and the client's signing key (sig_c). No agreement is made yet. */
  onResumeHello(frame: Uint8Array): VerifiedResume | ResumeFailure {
    if (this.#phase.kind !== 'start') return this.#fail('out_of_order');
    const { record, identity, clock, suites = DEFAULT_SUITES } = this.#options;
    const { suite, binding } = record;
    const read = readResumeHello(frame);
    if (!read.ok) return this.#fail(read.cause);
    const { hello, at, body } = read;
    if (!constantTimeEqual(hello.sid, record.sid)) return this.#fail('wrong_session');
    if (binding.trustDomain !== identity.trustDomain) return this.#fail('binding_mismatch');
    if (clock() > binding.notAfterMs) return this.#fail('binding_validity');
    const isAdmitted = suites.kex.includes(suite.kex) && suites.aead.includes(suite.aead);
    if (!isAdmitted || hello.kex !== suite.kex.id) return this.#fail('no_common_suite');
    const channelBinding = chooseBinding(this.#options, hello.channelBindings);
    if (channelBinding === undefined) return this.#fail('channel_binding_refused');
    const transcript = new Transcript().begin(FRAME_TYPE.resumeHello, body.length);
    const thSignature = transcript.append(body.subarray(0, at.signature)).hash();
    const binder = this.#binder(hello, transcript.append(body.subarray(at.signature, at.binders)).hash());
    if (binder === undefined) return this.#fail('binder');
    if (!this.#isClient(hello, thSignature)) return this.#fail('client_key');
    // No gateway can have sent more: each epoch has its number of messages.
    const sentAtMost = (record.epoch + 1) * record.limits.maxEpochMessages;
    if (hello.receivedThrough > sentAtMost) return this.#fail('received_through');
    if (record.epoch >= MAX_EPOCH) return this.#fail('epoch_mismatch');
    transcript.append(body.subarray(at.binders));
    this.#phase = { kind: 'verified', verified: { hello, channelBinding, binder, transcript } };
    return { ok: true, epoch: record.epoch + 1, receivedByClient: hello.receivedThrough };
  }

  /** ResumeAnswer: one agreement and one signature. The session that comes of it is nobody's yet. */
  answer(input: ResumeInput): { ok: true; frame: Uint8Array } | ResumeFailure {
    if (this.#phase.kind !== 'verified') return this.#fail('out_of_order');
    const { hello, channelBinding, binder, transcript } = this.#phase.verified;
    this.#phase = { kind: 'over' };
    const { record, identity, clock } = this.#options;
    const { sid, suite } = record;
    const epoch = record.epoch + 1;
    const peerKey = suite.signature.publicKeyFromRaw(record.binding.clientPublicKey);
    const agreed = suite.kex.respond(hello.share, this.#random);
    if (agreed === undefined || peerKey === undefined) return this.#fail('bad_share');

    const clear = encodeResumeAnswerClear({
      share: agreed.share,
      channelBinding: channelBinding.type,
      nonce: this.#random(HELLO_NONCE_LENGTH),
      timeMs: clock(),
      epoch,
      binder,
    });
    const start = encodeServerAuthStart({
      chainDer: identity.chainDer,
      publicKey: suite.signature.rawPublicKey(identity.signing.publicKey),
      delegation: identity.delegation,
    });
    const epochKey = deriveEpochKey(input.sessionKey, sid, epoch);
    const { receivedThrough, lease } = input;
    const grant = encodeResumeGrant({ epochKey, receivedThrough, leaseNotAfterMs: lease.notAfterMs });
    const sealedLength = start.length + 2 + suite.signature.signatureLength + grant.length + MAC_LENGTH;
    transcript
      .begin(FRAME_TYPE.resumeAnswer, clear.length + sealedLength)
      .append(clear)
      .bindChannel(channelBinding);
    const secrets = deriveResumeSecrets(record.secret, agreed.secret, transcript.hash());
    const message = signatureInput('server resume', transcript.append(start).hash());
    const signature = lp16(suite.signature.sign(identity.signing.privateKey, message));
    const thFinished = transcript.append(signature).append(grant).hash();
    const finished = finishedMac(secrets.server, thFinished);
    const th6 = transcript.append(finished).hash();
    const plaintext = concatBytes(start, signature, grant, finished);
    const sealed = sealPart(suite.aead, secrets.server, FRAME_TYPE.resumeAnswer, sid, plaintext);
    const keys = deriveResumedEpoch({ resume: secrets.resume, epochKey, th6, sid, epoch });
    for (const secretBytes of [epochKey, grant, plaintext]) secretBytes.fill(0); // each holds SK'
    const session = new Session({
      role: 'gateway',
      sid,
      suite,
      keys,
      start: {
        epoch,
        lastSent: hello.receivedThrough,
        receivedByPeer: hello.receivedThrough,
        received: receivedThrough,
        unconfirmed: [],
      },
      signingKey: identity.signing.privateKey,
      peerKey,
      binding: record.binding,
      signedBinding: record.signedBinding,
      limits: record.limits,
      lease,
      clock,
      random: this.#options.random,
    });
    this.#phase = { kind: 'answered', session, finished: finishedMac(secrets.client, th6) };
    return {
      ok: true,
      frame: encodeFrame(FRAME_TYPE.resumeAnswer, sid, concatBytes(clear, sealed)),
    };
  }

  /** The first frame under e', whose first message must be the client's Finished. One attempt. */
  onFirstFrame(frame: Uint8Array): Resumed | ResumeFailure {
    if (this.#phase.kind !== 'answered') return this.#fail('out_of_order');
    const { session, finished } = this.#phase;
    this.#phase = { kind: 'over' };
    const opened = session.openFrame(frame);
    if (!opened.ok) return this.#fail(opened.cause);
    const [first] = opened.messages;
    const control = first?.kind === 'control' ? parseControl(first.payload) : undefined;
    const isFinished =
      control?.ok === true &&
      control.control.kind === 'finished' &&
      constantTimeEqual(control.control.mac, finished);
    return isFinished ? { ok: true, session, opened } : this.#fail('finished');
  }

  /** Which of the binders is under our RS. All are compared, whichever fits. */
  #binder({ binders }: ResumeHello, th: Uint8Array): number | undefined {
    const expected = binderMac(this.#options.record.secret, th);
    let found: number | undefined;
    for (const [index, binder] of binders.entries()) if (constantTimeEqual(binder, expected)) found ??= index;
    return found;
  }

  #isClient({ signature }: ResumeHello, th: Uint8Array): boolean {
    const { suite, binding } = this.#options.record;
    const key = suite.signature.publicKeyFromRaw(binding.clientPublicKey);
    return key !== undefined && suite.signature.verify(key, signatureInput('client resume', th), signature);
  }

  #fail(cause: HandshakeCause | MessageCause): ResumeFailure {
    this.#phase = { kind: 'over' };
    return { ...failure(cause), alert: encodeAlert(this.#options.record.sid, alertFor(cause)) };
  }
}
