/**
 * Who a handshake proves the client to be. Reads the raw bytes, believes no hash, checks everything
 * (docs/protocol.md section 5).
 */
import type { KeyObject } from 'node:crypto';
import {
  checkClientProof,
  credentialDigest,
  isPskClientProof,
  pskExport,
  readHandshake,
  type HandshakeView,
  type RawHandshake,
} from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import type { HandshakeCause } from '../domain/handshake-cause.ts';
import { checkGateway, isOversized } from './check-gateway.ts';
import type { OpenProofs } from './open-proofs.ts';
import type { Now, VerifyChain } from './ports.ts';
import type { PskKeys } from './psk-keys.ts';

export interface JudgePorts {
  readonly verifyChain: VerifyChain;
  readonly pskKeys: Pick<PskKeys, 'open'>;
  readonly proofs: Pick<OpenProofs, 'end'>;
  readonly now: Now;
}

export interface Proved {
  readonly ok: true;
  readonly view: HandshakeView;
  readonly principal: string;
  /** Until when the credential itself is good. */
  readonly notAfter: number;
  readonly credentialDigest: Uint8Array;
  /** PX, 32 bytes; empty without a pre-shared key. */
  readonly pskExport: Uint8Array;
}

type Judgement = Proved | { readonly ok: false; readonly cause: HandshakeCause };

/** Rejects only when something needed is away: whatever is wrong with the handshake is a value. */
export async function judgeHandshake(
  ports: JudgePorts,
  gateway: string,
  raw: RawHandshake,
): Promise<Judgement> {
  if (isOversized(raw)) return refused('oversized');
  const view = readHandshake(raw);
  if (!view.ok) return view;
  const cause = await checkGateway(ports.verifyChain, view, gateway, ports.now());
  if (cause !== undefined) return refused(cause);
  ports.proofs.end(toHex(view.sid));
  const { credential } = view.clientAuth;
  return credential.method === 'certificate'
    ? byCertificate(ports, view, credential.chainDer)
    : byPsk(ports, view);
}

async function byCertificate(
  ports: JudgePorts,
  view: HandshakeView,
  chainDer: readonly Uint8Array[],
): Promise<Judgement> {
  const proofProblem = (key: KeyObject) => checkClientProof(view, key);
  const chain = await ports.verifyChain(chainDer, 'client', ports.now(), proofProblem);
  if (!chain.ok) return refused(chain.cause);
  const [leaf] = chainDer;
  if (chain.principal === undefined || leaf === undefined) return refused('certificate_kind');
  const cause = proofProblem(chain.publicKey);
  if (cause !== undefined) return refused(cause);
  // It was good when it was judged; that may have taken seconds.
  if (chain.notAfterMs <= ports.now()) return refused('certificate_expired');
  return {
    ok: true,
    view,
    principal: chain.principal,
    notAfter: chain.notAfterMs,
    credentialDigest: credentialDigest(leaf),
    pskExport: new Uint8Array(0),
  };
}

async function byPsk(ports: JudgePorts, view: HandshakeView): Promise<Judgement> {
  const { pskId, clientAuth, hashes } = view;
  if (pskId === undefined || clientAuth.mac === undefined) return refused('psk_proof');
  const opened = await ports.pskKeys.open(pskId);
  // All of it before any of it counts: what an id is must not show in how long its refusal takes.
  const isProof = isPskClientProof(opened.key, hashes.clientMac, clientAuth.mac);
  const cause = checkClientProof(view, undefined);
  if (opened.kind === 'decoy') return refused(opened.problem);
  if (!isProof) return refused('psk_proof');
  if (cause !== undefined) return refused(cause);
  return {
    ok: true,
    view,
    principal: opened.psk.principal,
    notAfter: opened.psk.notAfter,
    credentialDigest: credentialDigest(pskId),
    pskExport: pskExport(opened.key, hashes.afterClientAuth),
  };
}

function refused(cause: HandshakeCause): Judgement {
  return { ok: false, cause };
}
