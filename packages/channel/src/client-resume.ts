/**
 * The client's side of a resume, without I/O (docs/protocol.md sections 4.6 to 4.8).
 *
 * The gateway may be another replica with another signing key: it proves itself by certificate, delegation and signature
 * as in a handshake, and by RS. The epoch must be the one after that which the gateway resumed: a record set back to an
 * epoch that the client knows to be over is refused.
 */
import type { KeyObject } from 'node:crypto';
import {
  concatBytes,
  constantTimeEqual,
  randomBytes,
  signatureInput,
  type KexOffer,
  type RandomSource,
} from '@sallyport/crypto';
import { parseAlert } from './alert.ts';
import { failure, type HandshakeCause } from './causes.ts';
import { bindingOf, offeredBindings } from './channel-binding.ts';
import type { ClientFailure } from './client-handshake.ts';
import type { ClientHandshakeOptions } from './client-options.ts';
import { FRAME_TYPE, HELLO_NONCE_LENGTH } from './constants.ts';
import { controlMessage } from './control.ts';
import { encodeFrame, parseFrame, type Frame } from './frame.ts';
import { GatewayClock } from './gateway-clock.ts';
import { checkGatewayKey } from './gateway-trust.ts';
import {
  binderMac,
  deriveResumedEpoch,
  deriveResumeSecrets,
  finishedMac,
  openPart,
  type ResumeSecrets,
} from './key-schedule.ts';
import {
  parseResumeAnswerClear,
  parseResumeAnswerSealed,
  type ResumeAnswerClear,
  type ResumeAnswerSealed,
} from './resume-answer.ts';
import { encodeBinders, encodeResumeHelloStart } from './resume-hello.ts';
import type { OutgoingMessage } from './seal-frame.ts';
import type { ResumptionSecret, Session } from './session.ts';
import { Transcript } from './transcript.ts';
import { lp16 } from './wire.ts';

const TAG_LENGTH = 16;

export interface ClientResumeOptions extends Pick<
  ClientHandshakeOptions,
  'expectedGateway' | 'verifyGatewayChain' | 'clock' | 'exporter' | 'isChannelBindingRequired' | 'random'
> {
  /** The client's session in its last epoch, which it leaves here. */
  readonly session: Session;
  /** The highest sequence of the gateway that was accepted; everything up to it is closed from now on. */
  readonly receivedThrough: number;
}

export interface ResumedByClient {
  readonly ok: true;
  /** In epoch e'. Not the gateway's until a frame of it came. */
  readonly session: Session;
  /** Must be the first message of the first frame that `session` seals. */
  readonly finished: OutgoingMessage;
  /** Gateway time anew; the session uses it. */
  readonly gatewayClock: GatewayClock;
  /** The highest sequence of ours that a gateway accepted. What came of it is told by resending only. */
  readonly receivedThrough: number;
}

interface Hello {
  readonly body: Uint8Array;
  readonly transcript: Transcript;
  readonly offer: KexOffer;
  readonly channelBindings: readonly number[];
  readonly secrets: readonly ResumptionSecret[];
  readonly askedAtMs: number;
}

type Phase =
  { readonly kind: 'start' | 'busy' | 'over' } | { readonly kind: 'greeting'; readonly hello: Hello };

export class ClientResume {
  readonly #options: ClientResumeOptions;
  readonly #random: RandomSource;
  #phase: Phase = { kind: 'start' };

  constructor(options: ClientResumeOptions) {
    this.#options = options;
    this.#random = options.random ?? randomBytes;
  }

  /** ResumeHello. The session leaves its epoch: it seals and opens nothing any more. Throws when called twice. */
  start(): Uint8Array {
    if (this.#phase.kind !== 'start') throw new Error('a resume starts once');
    const { session, receivedThrough, clock } = this.#options;
    const channelBindings = offeredBindings(this.#options);
    session.leaveEpoch();
    const { sid, suite } = session;
    const askedAtMs = clock();
    const offer = suite.kex.offer(this.#random);
    const start = encodeResumeHelloStart({
      sid,
      kex: suite.kex.id,
      share: offer.share,
      channelBindings,
      nonce: this.#random(HELLO_NONCE_LENGTH),
      receivedThrough,
    });
    const secrets = session.resumptionSecrets;
    const length = start.length + 2 + suite.signature.signatureLength + 1 + secrets.length * BINDER_LENGTH;
    const transcript = new Transcript().begin(FRAME_TYPE.resumeHello, length).append(start);
    const signature = lp16(session.signResumption(transcript.hash()));
    const th = transcript.append(signature).hash();
    const binders = encodeBinders(secrets.map(({ secret }) => binderMac(secret, th)));
    transcript.append(binders);
    const body = concatBytes(start, signature, binders);
    this.#phase = {
      kind: 'greeting',
      hello: { body, transcript, offer, channelBindings, secrets, askedAtMs },
    };
    return encodeFrame(FRAME_TYPE.resumeHello, sid, body);
  }

  /** Checks the gateway's proof and gives the session in its next epoch. */
  async onResumeAnswer(bytes: Uint8Array): Promise<ResumedByClient | ClientFailure> {
    if (this.#phase.kind !== 'greeting') return this.#fail('out_of_order');
    const { hello } = this.#phase;
    this.#phase = { kind: 'busy' };
    const frame = this.#readFrame(bytes);
    if (!frame.ok) return frame;
    const { session, exporter } = this.#options;
    if (!constantTimeEqual(frame.sid, session.sid)) return this.#fail('wrong_session');
    const clear = parseResumeAnswerClear(frame.body);
    if (!clear.ok) return this.#fail(clear.cause);
    if (!hello.channelBindings.includes(clear.channelBinding)) return this.#fail('not_offered');
    const resumed = hello.secrets[clear.binder];
    if (resumed === undefined) return this.#fail('not_offered');
    if (clear.epoch !== resumed.epoch + 1) return this.#fail('epoch_mismatch');
    const sharedSecret = hello.offer.finish(clear.share);
    if (sharedSecret === undefined) return this.#fail('bad_share');
    const { transcript } = hello;
    transcript
      .begin(FRAME_TYPE.resumeAnswer, Math.max(0, frame.body.length - TAG_LENGTH))
      .append(frame.body.subarray(0, clear.length))
      .bindChannel(bindingOf(clear.channelBinding, exporter));
    const secrets = deriveResumeSecrets(resumed.secret, sharedSecret, transcript.hash());
    const sealed = frame.body.subarray(clear.length);
    const { aead } = session.suite;
    const plaintext = openPart(aead, secrets.server, FRAME_TYPE.resumeAnswer, session.sid, sealed);
    if (plaintext === undefined) return this.#fail('sealed_part');
    try {
      return await this.#check(hello, clear, plaintext, secrets);
    } finally {
      plaintext.fill(0); // it holds SK'
    }
  }

  async #check(
    hello: Hello,
    clear: ResumeAnswerClear,
    plaintext: Uint8Array,
    secrets: ResumeSecrets,
  ): Promise<ResumedByClient | ClientFailure> {
    const { session, clock } = this.#options;
    const parsed = parseResumeAnswerSealed(plaintext);
    if (!parsed.ok) return this.#fail(parsed.cause);
    const { auth, grant, finished, at } = parsed;
    const cause = await checkGatewayKey(this.#options, auth, clock());
    if (cause !== undefined) return this.#fail(cause);
    const { transcript } = hello;
    const { signature } = session.suite;
    const gatewayKey = signature.publicKeyFromRaw(auth.publicKey);
    const thSignature = transcript.append(plaintext.subarray(0, at.signature)).hash();
    const message = signatureInput('server resume', thSignature);
    if (gatewayKey === undefined || !signature.verify(gatewayKey, message, auth.signature)) {
      return this.#fail('gateway_signature');
    }
    const thFinished = transcript.append(plaintext.subarray(at.signature, at.finished)).hash();
    if (!constantTimeEqual(finishedMac(secrets.server, thFinished), finished)) return this.#fail('finished');
    // It cannot have what we never sent.
    if (grant.receivedThrough > session.lastSent) return this.#fail('received_through');
    const th6 = transcript.append(finished).hash();
    return this.#resume({ hello, clear, grant, secrets, gatewayKey, th6 });
  }

  #resume({ hello, clear, grant, secrets, gatewayKey, th6 }: Checked): ResumedByClient {
    const { session, receivedThrough, clock, random } = this.#options;
    const { sid } = session;
    const { epoch } = clear;
    const { epochKey, leaseNotAfterMs } = grant;
    const gatewayClock = new GatewayClock(clock, clear.timeMs, hello.askedAtMs);
    const next = session.resumed({
      keys: deriveResumedEpoch({ resume: secrets.resume, epochKey, th6, sid, epoch }),
      start: {
        epoch,
        lastSent: session.lastSent,
        receivedByPeer: grant.receivedThrough,
        received: receivedThrough,
        // What is older than the RS that the gateway had is over for good.
        unconfirmed: hello.secrets.slice(0, clear.binder + 1),
      },
      peerKey: gatewayKey,
      lease: { notAfterMs: leaseNotAfterMs },
      clock: gatewayClock.now,
      random,
    });
    this.#phase = { kind: 'over' };
    const finished = controlMessage({ kind: 'finished', mac: finishedMac(secrets.client, th6) });
    return { ok: true, session: next, finished, gatewayClock, receivedThrough: grant.receivedThrough };
  }

  #readFrame(bytes: Uint8Array): Frame | ClientFailure {
    const frame = parseFrame(bytes);
    if (!frame.ok) return this.#fail(frame.cause);
    if (frame.type === FRAME_TYPE.alert) {
      const alert = parseAlert(frame.body);
      return alert.ok ? { ...this.#fail('alert'), alert } : this.#fail(alert.cause);
    }
    return frame.type === FRAME_TYPE.resumeAnswer ? frame : this.#fail('unexpected_type');
  }

  #fail(cause: HandshakeCause): ClientFailure {
    this.#phase = { kind: 'over' };
    return failure(cause);
  }
}

const BINDER_LENGTH = 32;

interface Checked {
  readonly hello: Hello;
  readonly clear: ResumeAnswerClear;
  readonly grant: ResumeAnswerSealed['grant'];
  readonly secrets: ResumeSecrets;
  readonly gatewayKey: KeyObject;
  readonly th6: Uint8Array;
}
