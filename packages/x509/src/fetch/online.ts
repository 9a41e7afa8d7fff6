/**
 * Validation that may ask: the validator decides from what is at hand, and as long as it lacks an issuer or a revocation
 * status, what its certificates point at is fetched and it decides again. Each location is asked at most once, rounds and
 * requests are bounded, and nothing that was fetched is trusted: it is evidence like any other.
 */
import { randomBytes } from 'node:crypto';
import type { Certificate } from '../certificate/types.ts';
import type { RevocationMode, ValidationInput } from '../input.ts';
import type { ValidationResult } from '../result.ts';
import type { CertificateList } from '../revocation/crl/types.ts';
import type { OcspResponse } from '../revocation/ocsp/types.ts';
import type { Validator } from '../validate.ts';
import { certificatesOf } from './certificates.ts';
import { listOf, ocspOf } from './parsed-once.ts';
import type { FetchAnswer, Fetcher, FetchProblem, FetchRequest } from './port.ts';
import { wantedBy, type Wanted } from './wanted.ts';

export interface OnlineOptions {
  readonly validator: Validator;
  readonly fetcher: Fetcher;
  /** Requests of one validation. Default: 16. */
  readonly maxRequests?: number;
  /** Of one validation's requests together, in milliseconds: what has not answered by then is `timeout`. Default: no bound but the fetcher's. */
  readonly timeoutMs?: number;
  /** Ask for issuers that are missing (caIssuers), whoever signed what names them. Default: true. */
  readonly fetchIssuers?: boolean;
  /** Send a nonce of 32 octets with OCSP requests and demand it back (RFC 9654). Default: false, so that answers can be kept. */
  readonly ocspNonce?: boolean;
}

/** What was asked on the way. */
export interface FetchRecord {
  readonly kind: FetchRequest['kind'];
  readonly url: string;
  /** Undefined: it was answered, with something of its kind. */
  readonly problem: FetchProblem | 'malformed' | undefined;
}

export interface OnlineResult {
  readonly result: ValidationResult;
  readonly fetched: readonly FetchRecord[];
}

const MAX_REQUESTS = 16;
// RFC 9654 section 2.1: clients should use 32 octets.
const NONCE_BYTES = 32;

interface Evidence {
  readonly intermediates: Certificate[];
  readonly crls: CertificateList[];
  readonly ocsp: OcspResponse[];
}

export interface OnlineValidator {
  /** As `Validator.validate`, asking for what is missing. Never rejects because of what was fetched. */
  validate(leaf: Certificate, input: ValidationInput): Promise<OnlineResult>;
}

export function onlineValidator(options: OnlineOptions): OnlineValidator {
  const maxRequests = options.maxRequests ?? MAX_REQUESTS;
  return {
    async validate(leaf, input) {
      const nonce = options.ocspNonce === true ? new Uint8Array(randomBytes(NONCE_BYTES)) : undefined;
      const evidence: Evidence = { intermediates: [], crls: [], ocsp: [] };
      const asked = new Set<string>();
      const fetched: FetchRecord[] = [];
      using deadline = startDeadline(options.timeoutMs);
      const answered: FetchRequest[] = [];
      for (;;) {
        const given = withEvidence(input, evidence, nonce);
        const result = options.validator.validate(leaf, given);
        const { intermediates = [], revocation } = given;
        const wanted = wantedBy({ result, leaf, intermediates, revocation, nonce });
        const certificates = options.fetchIssuers === false ? [] : wanted.certificates;
        const next = unasked({ ...wanted, certificates }, revocation?.mode, asked);
        next.splice(deadline.isOver() ? 0 : maxRequests - asked.size);
        if (next.length === 0) {
          // Anybody on the way can answer, and what no authority signed must not stand for as long as it says.
          if (isUnsettled(wanted)) for (const request of answered) options.fetcher.discredit?.(request);
          return { result, fetched };
        }
        for (const request of next) asked.add(identityOf(request));
        const answers = await Promise.all(
          next.map((request) => deadline.or(options.fetcher.fetch(request), LATE)),
        );
        for (const [index, request] of next.entries()) {
          const problem = take(request, answers[index], evidence);
          if (problem === undefined) answered.push(request);
          fetched.push({ kind: request.kind, url: request.url, problem });
        }
      }
    },
  };
}

const LATE: FetchAnswer = { ok: false, problem: 'timeout', detail: 'no answer in time' };

function isUnsettled({ ocsp, crls }: Wanted): boolean {
  return ocsp.length > 0 || crls.length > 0;
}

interface Deadline extends Disposable {
  isOver(): boolean;
  /** What `work` resolves to, or `late` once it is over. */
  or<T>(work: Promise<T>, late: T): Promise<T>;
}

function startDeadline(ms: number | undefined): Deadline {
  let isOver = false;
  let end = (): void => {};
  const over = new Promise<void>((resolve) => (end = resolve));
  const timer =
    ms === undefined
      ? undefined
      : setTimeout(() => {
          isOver = true;
          end();
        }, ms);
  return {
    isOver: () => isOver,
    or: (work, late) => Promise.race([work, over.then(() => late)]),
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

/** Issuers first: they decide what else is needed. Lists only where OCSP gave no answer, unless both are demanded. */
function unasked(
  wanted: Wanted,
  mode: RevocationMode | undefined,
  asked: ReadonlySet<string>,
): FetchRequest[] {
  const steps =
    mode === 'both'
      ? [wanted.certificates, [...wanted.ocsp, ...wanted.crls]]
      : [wanted.certificates, wanted.ocsp, wanted.crls];
  for (const step of steps) {
    const left = new Map(step.map((request) => [identityOf(request), request]));
    for (const identity of asked) left.delete(identity);
    if (left.size > 0) return [...left.values()];
  }
  return [];
}

function identityOf({ kind, url, body }: FetchRequest): string {
  return `${kind} ${url} ${body === undefined ? '' : Buffer.from(body).toString('base64')}`;
}

function withEvidence(
  input: ValidationInput,
  found: Evidence,
  nonce: Uint8Array | undefined,
): ValidationInput {
  const { revocation } = input;
  return {
    ...input,
    intermediates: [...(input.intermediates ?? []), ...found.intermediates],
    ...(revocation === undefined
      ? {}
      : {
          revocation: {
            ...revocation,
            crls: [...(revocation.crls ?? []), ...found.crls],
            ocsp: [...(revocation.ocsp ?? []), ...found.ocsp],
            ...(nonce === undefined ? {} : { ocspNonce: nonce }),
          },
        }),
  };
}

function take(
  { kind }: FetchRequest,
  answer: FetchAnswer | undefined,
  evidence: Evidence,
): FetchRecord['problem'] {
  if (answer === undefined) return 'unreachable';
  if (!answer.ok) return answer.problem;
  if (kind === 'certificate') {
    const certificates = certificatesOf(answer.body);
    evidence.intermediates.push(...certificates);
    return certificates.length === 0 ? 'malformed' : undefined;
  }
  if (kind === 'crl') {
    const parsed = listOf(answer.body);
    if (!parsed.ok) return 'malformed';
    evidence.crls.push(parsed.value);
    return undefined;
  }
  const parsed = ocspOf(answer.body);
  if (!parsed.ok) return 'malformed';
  evidence.ocsp.push(parsed.value);
  return undefined;
}
