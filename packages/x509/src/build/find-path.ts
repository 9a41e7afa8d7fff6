/**
 * Path building (RFC 4158): depth first from the leaf, the likelier issuer first, until a whole candidate is accepted.
 *
 * Bounded: each trial of an issuer is a `buildSteps`, each whole candidate a `candidatePaths`; a path has each name and
 * key once, so there are no loops (RFC 4158 section 5.2); and an issuer from whom no name leads to an
 * anchor, or above whom everything failed for reasons that do not depend on what is below it, is not entered.
 */
import type { Certificate } from '../certificate/types.ts';
import type { TrustAnchor } from '../input.ts';
import type { CandidatePath } from '../path/types.ts';
import type { Failure } from '../reasons.ts';
import type { RevocationReport } from '../result.ts';
import type { SignatureChecker } from '../signature/types.ts';
import type { Work } from '../work.ts';
import type { AnchorNode, Anchors } from './anchors.ts';
import { checkIssuer, checkSignature } from './edges.ts';
import { nodeOf, type Node } from './node.ts';
import { orderAnchors, orderIssuers } from './order.ts';
import type { Pool } from './pool.ts';
import { measureReach, type Reach } from './reach.ts';
import type { Refusals, Stage } from './refusals.ts';

/** What is made of a whole candidate. `isFinal`: no other candidate can do better, the search ends. */
export type Judgement<T> =
  | { readonly accepted: true; readonly value: T }
  | {
      readonly accepted: false;
      readonly stage: Stage;
      readonly failure: Failure;
      readonly revocation: readonly RevocationReport[];
      readonly isFinal: boolean;
    };

export interface Search<T> {
  readonly anchors: Anchors;
  readonly pool: Pool;
  readonly atMs: number;
  readonly intermediatesInPath: number;
  readonly signatures: SignatureChecker;
  readonly work: Work;
  readonly refusals: Refusals;
  judge(candidate: CandidatePath): Judgement<T>;
}

/**
 * What the exploration above one certificate came to. `dead`: it fails below any other certificate too. `failed`: it may
 * not, because a loop, the length or a whole path was the reason.
 */
type Explored<T> =
  { readonly kind: 'accepted'; readonly value: T } | { readonly kind: 'ended' | 'failed' | 'dead' };

const ENDED = { kind: 'ended' } as const;
const FAILED = { kind: 'failed' } as const;
const DEAD = { kind: 'dead' } as const;

/** A search under way. */
interface Walk<T> extends Search<T> {
  readonly reach: Reach;
  readonly dead: Set<Node>;
}

/** The first candidate that `judge` accepts; undefined when there is none, and `refusals` says why. Throws `WorkLimitExceeded`. */
export function findPath<T>(leaf: Certificate, search: Search<T>): T | undefined {
  const node = nodeOf(leaf);
  const reach = measureReach(node.issuer, search.pool, search.anchors, search.work);
  const found = explore([node], { ...search, reach, dead: new Set() });
  return found.kind === 'accepted' ? found.value : undefined;
}

/** `path`, leaf first, is lent: it is as it was when this returns. */
function explore<T>(path: Node[], search: Walk<T>): Explored<T> {
  const child = path[path.length - 1] as Node;
  let isDead = true;
  let isDeadEnd = true;
  for (const anchor of orderAnchors(child, search.anchors.named(child.issuer))) {
    search.work.spend('buildSteps');
    if (!isNew(anchor.identity, path)) {
      isDead = false;
      continue;
    }
    isDeadEnd = false;
    const tried = tryAnchor(path, anchor, search);
    if (tried.kind === 'accepted' || tried.kind === 'ended') return tried;
    if (tried.kind === 'failed') isDead = false;
  }
  for (const issuer of orderIssuers(child, search.pool.named(child.issuer), search.reach)) {
    search.work.spend('buildSteps');
    if (!isNew(issuer.identity, path)) {
      isDead = false;
      continue;
    }
    isDeadEnd = false;
    if (search.dead.has(issuer)) continue;
    const tried = tryIssuer(path, issuer, search);
    if (tried.kind === 'accepted' || tried.kind === 'ended') return tried;
    if (tried.kind === 'failed') isDead = false;
  }
  if (isDeadEnd) refuseDeadEnd(path, search);
  return isDead ? DEAD : FAILED;
}

/**
 * Whether no issuer of the path has this name and key. The leaf is left out: a CA may have issued it to its own name and
 * key, and what it signed itself may itself be the anchor.
 */
function isNew(identity: string, path: readonly Node[]): boolean {
  for (let place = 1; place < path.length; place++) if (path[place]?.identity === identity) return false;
  return true;
}

function tryAnchor<T>(path: readonly Node[], { anchor }: AnchorNode, search: Search<T>): Explored<T> {
  const place = path.length - 1;
  const child = (path[place] as Node).certificate;
  const failure = checkSignature(child, anchor.subjectPublicKeyInfo, place, search.signatures);
  if (failure !== undefined) {
    refuse(path, anchor, failure, search);
    return DEAD;
  }
  search.work.spend('candidatePaths');
  const certificates = path.map((node) => node.certificate);
  for (const { der } of certificates) search.work.spend('pathBytes', der.length);
  const judgement = search.judge({ certificates, anchor });
  if (judgement.accepted) return { kind: 'accepted', value: judgement.value };
  const { stage, revocation } = judgement;
  search.refusals.add({ path: certificates, anchor, failure: judgement.failure, revocation }, stage);
  return judgement.isFinal ? ENDED : FAILED;
}

function tryIssuer<T>(path: Node[], issuer: Node, search: Walk<T>): Explored<T> {
  const { certificate } = issuer;
  const place = path.length;
  const above = search.reach(issuer.issuer);
  if (above === Number.POSITIVE_INFINITY) {
    search.dead.add(issuer);
    refuseDeadEnd([...path, issuer], search);
    return DEAD;
  }
  if (place + above > search.intermediatesInPath) {
    refuse([...path, issuer], undefined, tooLong(search.intermediatesInPath), search);
    return FAILED;
  }
  const unfit = checkIssuer(certificate, place, search.atMs);
  if (unfit !== undefined) {
    search.dead.add(issuer);
    refuse([...path, issuer], undefined, unfit, search);
    return DEAD;
  }
  const child = (path[place - 1] as Node).certificate;
  const unsigned = checkSignature(child, certificate.subjectPublicKeyInfo, place - 1, search.signatures);
  if (unsigned !== undefined) {
    refuse([...path, issuer], undefined, unsigned, search);
    return DEAD;
  }
  path.push(issuer);
  const explored = explore(path, search);
  path.pop();
  if (explored.kind === 'dead') search.dead.add(issuer);
  return explored;
}

function refuse<T>(
  path: readonly Node[],
  anchor: TrustAnchor | undefined,
  failure: Failure,
  { refusals }: Search<T>,
): void {
  const stage = failure.reason === 'signature_invalid' ? 'not_the_issuer' : 'issuer';
  refusals.add({ path: path.map((node) => node.certificate), anchor, failure, revocation: [] }, stage);
}

function refuseDeadEnd<T>(path: readonly Node[], { refusals }: Search<T>): void {
  const failure: Failure = {
    reason: 'no_path',
    section: 'RFC 5280 section 6.1',
    detail: 'whom it names as its issuer is no anchor, and no intermediate that leads to one',
    certificate: path.length - 1,
  };
  const certificates = path.map((node) => node.certificate);
  refusals.add({ path: certificates, anchor: undefined, failure, revocation: [] }, 'dead_end');
}

function tooLong(limit: number): Failure {
  return {
    reason: 'limit',
    section: 'limits',
    detail: `more than ${limit} certificates between leaf and anchor`,
  };
}
