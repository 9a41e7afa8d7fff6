/** Makes docs/vectors/resume.json: the session of handshake-certificate.json, resumed on another replica. */
import { AES_256_GCM, ED25519, toHex, X25519 } from '@sallyport/crypto';
import type { KeyObject } from 'node:crypto';
import { FRAME_TYPE } from '../../src/constants.ts';
import {
  ClientHandshake,
  encodeResumptionRecord,
  resumptionRecord,
  ServerHandshake,
} from '../../src/index.ts';
import {
  binderMac,
  deriveEpochKey,
  deriveResumedEpoch,
  deriveResumeSecrets,
  finishedMac,
  openPart,
} from '../../src/key-schedule.ts';
import { parseResumeAnswerClear, parseResumeAnswerSealed } from '../../src/resume-answer.ts';
import { readResumeHello } from '../../src/resume-hello.ts';
import { Transcript } from '../../src/transcript.ts';
import { clientResume, grant, leakingKex, request, serverResume } from '../resume-world.ts';
import {
  authenticate,
  certificateClient,
  countingRandom,
  gatewayOptions,
  keysOf,
  NOW_MS,
  ok,
  sessionKey,
} from '../world.ts';

export interface Recorder {
  readonly random: (length: number) => Uint8Array;
  readonly drawn: string[];
}

export async function resumeVector(recording: (source: Recorder['random']) => Recorder): Promise<unknown> {
  const leak = leakingKex();
  const { session, gateway } = await openedSession(leak.kex);
  const record = resumptionRecord(gateway);
  const [clientRandom, serverRandom] = [recording(countingRandom(3)), recording(countingRandom(4))];
  const resuming = clientResume(session, { random: clientRandom.random });
  const hello = resuming.start();
  const suites = { kex: [leak.kex], aead: [AES_256_GCM], signature: [ED25519] };
  const server = serverResume(record, { random: serverRandom.random, suites });
  const verified = ok(server.onResumeHello(hello));
  const answer = ok(server.answer(grant)).frame;
  const resumed = ok(await resuming.onResumeAnswer(answer));
  const first = ok(resumed.session.sealFrame([resumed.finished, request])).bytes;
  const attached = ok(server.onFirstFrame(first));

  const read = ok(readResumeHello(hello));
  const body = answer.subarray(18);
  const clear = body.subarray(0, ok(parseResumeAnswerClear(body)).length);
  const transcript = new Transcript().begin(FRAME_TYPE.resumeHello, read.body.length);
  const thSignatureC = transcript.append(read.body.subarray(0, read.at.signature)).hash();
  const thBinders = transcript.append(read.body.subarray(read.at.signature, read.at.binders)).hash();
  const thClear = transcript
    .append(read.body.subarray(read.at.binders))
    .begin(FRAME_TYPE.resumeAnswer, body.length - 16)
    .append(clear)
    .bindChannel({ type: 0, value: new Uint8Array(0) })
    .hash();
  const sharedSecret = leak.secret();
  const secrets = deriveResumeSecrets(record.secret, sharedSecret.slice(), thClear);
  const sealed = body.subarray(clear.length);
  const plaintext = openPart(AES_256_GCM, secrets.server, FRAME_TYPE.resumeAnswer, record.sid, sealed);
  if (plaintext === undefined) throw new Error('ResumeAnswer does not open');
  const { at } = ok(parseResumeAnswerSealed(plaintext));
  const thSignatureS = transcript.append(plaintext.subarray(0, at.signature)).hash();
  const thFinished = transcript.append(plaintext.subarray(at.signature, at.finished)).hash();
  const th6 = transcript.append(plaintext.subarray(at.finished)).hash();
  const { epoch } = verified;
  const epochKey = deriveEpochKey(sessionKey, record.sid, epoch);
  const keys = deriveResumedEpoch({ resume: secrets.resume, epochKey, th6, sid: record.sid, epoch });
  if (!keys.resumption.equals(resumptionRecord(attached.session).secret)) throw new Error('another schedule');
  return {
    session: 'handshake-certificate.json',
    suite: ['X25519', 'AES-256-GCM', 'Ed25519'],
    time_ms: NOW_MS,
    inputs: {
      sid: toHex(record.sid),
      rs: hexOf(record.secret),
      client_x25519_private: clientRandom.drawn[0],
      nonce1: clientRandom.drawn[1],
      client_signing_private: hexOfFill(21),
      received_by_client: verified.receivedByClient,
      server_x25519_private: serverRandom.drawn[0],
      nonce2: serverRandom.drawn[1],
      gateway_certificate_private: hexOfFill(31),
      gateway_signing_private: hexOfFill(32),
      session_key: hexOf(sessionKey),
      received_by_gateway: grant.receivedThrough,
      lease_not_after_ms: grant.lease.notAfterMs,
    },
    transcript_hashes: {
      sig_c: toHex(thSignatureC),
      binders: toHex(thBinders),
      after_clear_resume_answer: toHex(thClear),
      sig_s: toHex(thSignatureS),
      fin_s: toHex(thFinished),
      after_resume_answer: toHex(th6),
    },
    secrets: {
      binder: toHex(binderMac(record.secret, thBinders)),
      ss: toHex(sharedSecret),
      hr: hexOf(secrets.resume),
      rs_c: hexOf(secrets.client),
      rs_s: hexOf(secrets.server),
      sk: toHex(epochKey),
      finished: toHex(finishedMac(secrets.client, th6)),
      d_c2s: hexOf(keys.c2s),
      d_s2c: hexOf(keys.s2c),
      next_rs: hexOf(keys.resumption),
    },
    epoch,
    frames: [hello, answer].map(toHex),
    resume_answer_plaintext: toHex(plaintext),
    first_frame: { nonces: clientRandom.drawn[2], frame: toHex(first) },
    record: encodeResumptionRecord(record).use(toHex),
  };
}

/** As handshake-certificate.json has it. */
async function openedSession(kex: typeof X25519) {
  const rest = { aead: [AES_256_GCM], signature: [ED25519] };
  const client = new ClientHandshake({
    ...certificateClient,
    suites: { kex: [X25519], ...rest },
    random: countingRandom(1),
    signing: keysOf(21),
  });
  const server = new ServerHandshake({
    ...gatewayOptions,
    suites: { kex: [kex], ...rest },
    random: countingRandom(2),
  });
  const hello = ok(await server.onClientHello(client.start())).frame;
  const { raw } = ok(server.onClientAuth(ok(await client.onServerHello(hello)).frame));
  const accepted = ok(server.accept(authenticate(raw)));
  return { session: ok(client.onAccept(accepted.frame)).session, gateway: accepted.session };
}

function hexOf(key: KeyObject): string {
  return key.export().toString('hex');
}

function hexOfFill(fill: number): string {
  return toHex(new Uint8Array(32).fill(fill));
}
