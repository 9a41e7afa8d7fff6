/**
 * A handshake read from its bytes by a party that took no part in it: auth-service (docs/protocol.md section 5).
 *
 * auth-service believes no hash of the gateway's. It parses the bytes, computes every TH itself and verifies each
 * signature, so that a compromised gateway cannot bind a key of its own to somebody's session.
 */
import type { KeyObject } from 'node:crypto';
import { signatureInput } from '@sallyport/crypto';
import { failure, type Failure, type HandshakeCause } from './causes.ts';
import { parseClientAuth, type ClientAuth, type ClientAuthOffsets } from './client-auth.ts';
import { parseClientHello, type ClientHello } from './client-hello.ts';
import {
  CHANNEL_BINDING,
  EXPORTER_LENGTH,
  FRAME_TYPE,
  METHOD,
  nameOf,
  PROTOCOL_VERSION,
  type Method,
} from './constants.ts';
import { parseFrame } from './frame.ts';
import { verifyDelegation } from './gateway-identity.ts';
import { isZero } from './is-zero.ts';
import {
  parseServerAuth,
  parseServerAuthPrefix,
  parseServerHelloClear,
  type ServerAuth,
  type ServerHelloClear,
} from './server-hello.ts';
import { DEFAULT_SUITES, signatureRowOf, suiteOf, type Suite } from './suite.ts';
import { Transcript } from './transcript.ts';

const TAG_LENGTH = 16;
/** mac_s as a field (1 + 32) and fin_s: what follows the prefix that mac_s is computed over. */
const AFTER_PSK_PREFIX = 33 + 32;

/** The bytes as `sallyport.auth.v1.Transcript` carries them. */
export interface RawHandshake {
  /** The whole ClientHello frame. */
  readonly clientHello: Uint8Array;
  /** The whole ServerHello frame; in a request for mac_s it ends after the clear part. */
  readonly serverHello: Uint8Array;
  readonly channelBindingType: number;
  readonly channelBinding: Uint8Array;
  /** Opened sealed part of ServerHello; in a request for mac_s it ends before mac_s. */
  readonly serverAuth: Uint8Array;
  /** Opened ClientAuth; empty in a request for mac_s. */
  readonly clientAuth: Uint8Array;
}

interface Start {
  readonly sid: Uint8Array;
  readonly method: Method;
  readonly suite: Suite;
  readonly clientHello: ClientHello;
  readonly serverHello: ServerHelloClear;
}

/** A request for the gateway's PSK proof, read. */
export interface PskProofRequest extends Start {
  readonly pskId: Uint8Array;
  readonly serverAuth: Omit<ServerAuth, 'mac' | 'finished'>;
  readonly hashes: { readonly serverSignature: Uint8Array; readonly serverMac: Uint8Array };
}

/** A handshake through ClientAuth, read. Nothing in it is verified yet. */
export interface HandshakeView extends Start {
  readonly pskId: Uint8Array | undefined;
  readonly serverAuth: ServerAuth;
  readonly clientAuth: ClientAuth;
  /** TH before the field of that name, and after the whole of ClientAuth. */
  readonly hashes: {
    readonly serverSignature: Uint8Array;
    readonly serverMac: Uint8Array;
    readonly clientPublicKey: Uint8Array;
    readonly clientSignature: Uint8Array;
    readonly clientMac: Uint8Array;
    readonly afterClientAuth: Uint8Array;
  };
}

/** Reads what the gateway sends to have mac_s computed. Total. */
export function readPskProofRequest(
  raw: RawHandshake,
): ({ ok: true } & PskProofRequest) | Failure<HandshakeCause> {
  const start = readStart(raw, 0, raw.serverAuth.length + AFTER_PSK_PREFIX);
  if (!start.ok) return start;
  if (raw.clientAuth.length > 0) return failure('trailing_bytes');
  const { pskId } = start.clientHello;
  if (pskId === undefined) return failure('unsupported_method');
  const parsed = parseServerAuthPrefix(raw.serverAuth);
  if (!parsed.ok) return parsed;
  const { transcript } = start;
  const serverSignature = transcript.append(raw.serverAuth.subarray(0, parsed.signatureAt)).hash();
  const serverMac = transcript.append(raw.serverAuth.subarray(parsed.signatureAt)).hash();
  return {
    ...publicStart(start),
    ok: true,
    pskId,
    serverAuth: parsed.auth,
    hashes: { serverSignature, serverMac },
  };
}

/** Reads a handshake through ClientAuth. Total. */
export function readHandshake(raw: RawHandshake): ({ ok: true } & HandshakeView) | Failure<HandshakeCause> {
  const start = readStart(raw, raw.serverAuth.length + TAG_LENGTH, raw.serverAuth.length);
  if (!start.ok) return start;
  const server = parseServerAuth(raw.serverAuth);
  if (!server.ok) return server;
  const client = parseClientAuth(raw.clientAuth);
  if (!client.ok) return client;
  if ((server.auth.mac !== undefined) !== (start.method === 'psk')) return failure('psk_proof');
  if (client.auth.credential.method !== start.method) return failure('unsupported_method');
  const { transcript } = start;
  const serverSignature = transcript.append(raw.serverAuth.subarray(0, server.at.signature)).hash();
  const serverMac = transcript.append(raw.serverAuth.subarray(server.at.signature, server.at.mac)).hash();
  transcript.append(raw.serverAuth.subarray(server.at.mac));
  transcript.begin(FRAME_TYPE.clientAuth, raw.clientAuth.length);
  return {
    ...publicStart(start),
    ok: true,
    pskId: start.clientHello.pskId,
    serverAuth: server.auth,
    clientAuth: client.auth,
    hashes: { serverSignature, serverMac, ...clientHashes(transcript, raw.clientAuth, client.at) },
  };
}

/**
 * Whether the gateway of the transcript holds the key of its certificate: dlg_s and sig_s. The caller has validated
 * the chain and taken the leaf's key from it. Returns the cause, or undefined when all is right.
 */
export function checkGatewayProof(
  view: PskProofRequest | HandshakeView,
  certificateKey: KeyObject,
  atMs: number,
): HandshakeCause | undefined {
  const { publicKey, delegation, signature } = view.serverAuth;
  const key = view.suite.signature.publicKeyFromRaw(publicKey);
  if (key === undefined) return 'gateway_signature';
  if (!verifyDelegation(certificateKey, publicKey, delegation, atMs)) return 'gateway_delegation';
  const message = signatureInput('server auth', view.hashes.serverSignature);
  return view.suite.signature.verify(key, message, signature) ? undefined : 'gateway_signature';
}

/**
 * Whether the client holds its session signing key (sig_c) and, in certificate mode, its certificate vouches for that
 * key in this handshake (sig_cred). `certificateKey` is the key of a leaf the caller has validated; undefined in PSK
 * mode, where mac_c is checked with `isPskClientProof`. Returns the cause, or undefined when all is right.
 */
export function checkClientProof(
  view: Pick<HandshakeView, 'suite' | 'clientAuth' | 'hashes' | 'method'>,
  certificateKey: KeyObject | undefined,
): HandshakeCause | undefined {
  const { publicKey, signature, credentialSignature } = view.clientAuth;
  const key = view.suite.signature.publicKeyFromRaw(publicKey);
  if (key === undefined) return 'client_key';
  if (
    !view.suite.signature.verify(key, signatureInput('client key', view.hashes.clientSignature), signature)
  ) {
    return 'client_key';
  }
  if (view.method === 'psk') return undefined;
  const row = certificateKey && signatureRowOf(certificateKey);
  const message = signatureInput('client auth', view.hashes.clientPublicKey, publicKey);
  return row !== undefined &&
    certificateKey !== undefined &&
    credentialSignature !== undefined &&
    row.verify(certificateKey, message, credentialSignature)
    ? undefined
    : 'credential_signature';
}

type StartResult = ({ ok: true; transcript: Transcript } & Start) | Failure<HandshakeCause>;

/** `sealedLength`: what follows the clear part of ServerHello; `authLength`: the whole plaintext of that part. */
function readStart(raw: RawHandshake, sealedLength: number, authLength: number): StartResult {
  const hello = parseFrame(raw.clientHello);
  if (!hello.ok) return hello;
  if (hello.type !== FRAME_TYPE.clientHello) return failure('unexpected_type');
  if (!isZero(hello.sid)) return failure('wrong_session');
  const clientHello = parseClientHello(hello.body);
  if (!clientHello.ok) return clientHello;
  const answer = parseFrame(raw.serverHello);
  if (!answer.ok) return answer;
  if (answer.type !== FRAME_TYPE.serverHello) return failure('unexpected_type');
  const serverHello = parseServerHelloClear(answer.body);
  if (!serverHello.ok) return serverHello;
  if (answer.body.length - serverHello.length !== sealedLength) return failure('trailing_bytes');
  if (!Buffer.from(answer.sid).equals(serverHello.sid) || isZero(serverHello.sid))
    return failure('wrong_session');
  const method = nameOf(METHOD, clientHello.method);
  if (method === undefined) return failure('unsupported_method');
  const suite = suiteOf(DEFAULT_SUITES, serverHello);
  if (suite === undefined || !wasOffered(clientHello, serverHello)) return failure('not_offered');
  if (!isSoundBinding(raw, serverHello)) return failure('channel_binding_refused');
  const transcript = new Transcript()
    .begin(FRAME_TYPE.clientHello, hello.body.length)
    .append(hello.body)
    .begin(FRAME_TYPE.serverHello, serverHello.length + authLength)
    .append(answer.body.subarray(0, serverHello.length))
    .bindChannel({ type: raw.channelBindingType, value: raw.channelBinding });
  return { ok: true, transcript, sid: serverHello.sid, method, suite, clientHello, serverHello };
}

function publicStart({ sid, method, suite, clientHello, serverHello }: Start): Start {
  return { sid, method, suite, clientHello, serverHello };
}

/** Whether every choice of a ServerHello is one that the ClientHello offered. */
export function wasOffered(client: ClientHello, server: ServerHelloClear): boolean {
  return (
    server.version === PROTOCOL_VERSION &&
    client.versions.includes(server.version) &&
    client.kex.some(({ id }) => id === server.kex) &&
    client.aead.includes(server.aead) &&
    client.signature.includes(server.signature) &&
    client.channelBindings.includes(server.channelBinding)
  );
}

function isSoundBinding(raw: RawHandshake, serverHello: ServerHelloClear): boolean {
  const type = nameOf(CHANNEL_BINDING, raw.channelBindingType);
  if (type === undefined || raw.channelBindingType !== serverHello.channelBinding) return false;
  return raw.channelBinding.length === (type === 'none' ? 0 : EXPORTER_LENGTH);
}

function clientHashes(transcript: Transcript, plaintext: Uint8Array, at: ClientAuthOffsets) {
  const clientPublicKey = transcript.append(plaintext.subarray(0, at.publicKey)).hash();
  const clientSignature = transcript.append(plaintext.subarray(at.publicKey, at.signature)).hash();
  const clientMac = transcript.append(plaintext.subarray(at.signature, at.mac)).hash();
  const afterClientAuth = transcript.append(plaintext.subarray(at.mac)).hash();
  return { clientPublicKey, clientSignature, clientMac, afterClientAuth };
}
