/** A session that was opened by a handshake, and what its resume on another replica takes. No I/O. */
import {
  AES_256_GCM,
  concatBytes,
  ED25519,
  utf8,
  X25519,
  type KexRow,
  type RandomSource,
} from '@sallyport/crypto';
import {
  ClientResume,
  createGatewayIdentity,
  resumptionRecord,
  ServerResume,
  type ClientResumeOptions,
  type OutgoingMessage,
  type ResumedByClient,
  type ResumeInput,
  type ResumptionRecord,
  type ServerResumeOptions,
  type Session,
} from '../src/index.ts';
import { FRAME_TYPE } from '../src/constants.ts';
import { encodeFrame } from '../src/frame.ts';
import { deriveResumeSecrets, openPart, sealPart } from '../src/key-schedule.ts';
import { parseResumeAnswerClear } from '../src/resume-answer.ts';
import { Transcript } from '../src/transcript.ts';
import {
  certificateClient,
  connect,
  fakeCertificate,
  GATEWAY_ID,
  gatewayOptions,
  keysOf,
  NOW_MS,
  ok,
  readFakeChain,
  sessionKey,
  TRUST_DOMAIN,
} from './world.ts';

export const classical = { kex: [X25519], aead: [AES_256_GCM], signature: [ED25519] };
const otherCertificateKeys = keysOf(31);

/** Another replica: a certificate and a signing key of its own, the same name. */
export const otherIdentity = createGatewayIdentity({
  chainDer: [fakeCertificate(GATEWAY_ID, otherCertificateKeys)],
  trustDomain: TRUST_DOMAIN,
  certificateKey: otherCertificateKeys.privateKey,
  notAfterMs: NOW_MS + 3_600_000,
  signing: keysOf(32),
});

export const grant: ResumeInput = {
  sessionKey,
  lease: { notAfterMs: NOW_MS + 7_200_000 },
  receivedThrough: 0,
};

export const request: OutgoingMessage = {
  kind: 'request',
  correlation: new Uint8Array(16).fill(7),
  destination: 'echo',
  contentType: 'application/json',
  trace: '',
  payload: utf8('{"hello":"world"}'),
};

export interface Opened {
  readonly client: Session;
  readonly gateway: Session;
  readonly record: ResumptionRecord;
}

/** `kex`: as the gateway has it; X25519 lets its tests be quick and its secret out. */
export async function openSession(kex: KexRow = X25519): Promise<Opened> {
  const { client, gateway } = await connect(
    { ...certificateClient, suites: classical },
    { ...gatewayOptions, suites: { ...classical, kex: [kex] } },
  );
  return { client, gateway, record: resumptionRecord(gateway) };
}

export function clientResume(session: Session, change: Partial<ClientResumeOptions> = {}): ClientResume {
  return new ClientResume({
    session,
    receivedThrough: 0,
    expectedGateway: GATEWAY_ID,
    verifyGatewayChain: readFakeChain,
    clock: () => NOW_MS,
    ...change,
  });
}

export function serverResume(
  record: ResumptionRecord,
  change: Partial<ServerResumeOptions> = {},
): ServerResume {
  return new ServerResume({ identity: otherIdentity, record, clock: () => NOW_MS, ...change });
}

export interface Answered {
  readonly hello: Uint8Array;
  readonly answer: Uint8Array;
  readonly server: ServerResume;
  readonly resumed: ResumedByClient;
}

/** Up to the client's new session; throws where one side refuses. */
export async function answered(
  session: Session,
  record: ResumptionRecord,
  options: {
    readonly client?: Partial<ClientResumeOptions>;
    readonly server?: Partial<ServerResumeOptions>;
    readonly grant?: Partial<ResumeInput>;
  } = {},
): Promise<Answered> {
  const client = clientResume(session, options.client);
  const server = serverResume(record, options.server);
  const hello = client.start();
  ok(server.onResumeHello(hello));
  const answer = ok(server.answer({ ...grant, ...options.grant })).frame;
  return { hello, answer, server, resumed: ok(await client.onResumeAnswer(answer)) };
}

/** The whole of it. */
export async function resume(
  session: Session,
  record: ResumptionRecord,
  options: Parameters<typeof answered>[2] = {},
) {
  const { server, resumed } = await answered(session, record, options);
  const first = ok(resumed.session.sealFrame([resumed.finished, request]));
  const attached = ok(server.onFirstFrame(first.bytes));
  return {
    client: resumed.session,
    gateway: attached.session,
    opened: attached.opened,
    record: resumptionRecord(attached.session),
    first,
    resumed,
  };
}

/** X25519 that lets the secret of each answer out. */
export function leakingKex(): { readonly kex: KexRow; readonly secret: () => Uint8Array } {
  let secret = new Uint8Array(0);
  const kex: KexRow = {
    ...X25519,
    respond(share: Uint8Array, random?: RandomSource) {
      const answer = X25519.respond(share, random);
      secret = Uint8Array.from(answer?.secret ?? []);
      return answer;
    },
  };
  return { kex, secret: () => secret.slice() };
}

/** What a gateway that knows every key may make of its own answer; the length stays, so that the transcript does. */
export function resealAnswer(
  { hello, answer, record }: { hello: Uint8Array; answer: Uint8Array; record: ResumptionRecord },
  sharedSecret: Uint8Array,
  change: (plaintext: Uint8Array) => Uint8Array,
): Uint8Array {
  const body = answer.subarray(18);
  const clear = body.subarray(0, ok(parseResumeAnswerClear(body)).length);
  const th = new Transcript()
    .begin(FRAME_TYPE.resumeHello, hello.length - 18)
    .append(hello.subarray(18))
    .begin(FRAME_TYPE.resumeAnswer, body.length - 16)
    .append(clear)
    .bindChannel({ type: 0, value: new Uint8Array(0) })
    .hash();
  const { server } = deriveResumeSecrets(record.secret, sharedSecret, th);
  const { sid } = record;
  const plaintext = openPart(AES_256_GCM, server, FRAME_TYPE.resumeAnswer, sid, body.subarray(clear.length));
  if (plaintext === undefined) throw new Error('the part does not open');
  const sealed = sealPart(AES_256_GCM, server, FRAME_TYPE.resumeAnswer, sid, change(plaintext));
  return encodeFrame(FRAME_TYPE.resumeAnswer, sid, concatBytes(clear, sealed));
}
