/**
 * What a client is told that did not prove who it is, or may not do what it asks: `WWW-Authenticate` as RFC 6750 section 3,
 * RFC 9449 section 7.1 and RFC 9728 section 5.1 have it. All that is wrong with a token is one `invalid_token`.
 */
import { PROOF_ALGORITHMS } from './dpop.ts';
import { ALL_SCOPES, type Resource } from './resource.ts';

export type ChallengeError =
  'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'invalid_dpop_proof' | 'use_dpop_nonce';

export type Challenge = {
  readonly resource: Resource;
  /** Tokens bound to no key are taken too. */
  readonly allowsBearer: boolean;
  /** How the client tried; undefined: not at all. */
  readonly scheme?: 'Bearer' | 'DPoP' | undefined;
  readonly error?: ChallengeError | undefined;
  readonly description?: string | undefined;
  /** What the operation needs. Default: all there are. */
  readonly scopes?: readonly string[];
};

/** One field value for each scheme that is taken here. */
export function challenges(challenge: Challenge): readonly string[] {
  const { allowsBearer } = challenge;
  const schemes = allowsBearer ? (['Bearer', 'DPoP'] as const) : (['DPoP'] as const);
  return schemes.map((scheme) => challengeOf(scheme, challenge, isTold(scheme, challenge)));
}

/** The error belongs to the scheme that was tried; where that is not taken here, to the one that is. */
function isTold(scheme: 'Bearer' | 'DPoP', { scheme: tried, allowsBearer }: Challenge): boolean {
  return tried === undefined || tried === scheme || !allowsBearer;
}

function challengeOf(scheme: 'Bearer' | 'DPoP', challenge: Challenge, isErrorTold: boolean): string {
  const { resource, error, description, scopes = ALL_SCOPES } = challenge;
  const parameters = [`resource_metadata="${resource.metadataUrl}"`, `scope="${scopes.join(' ')}"`];
  if (isErrorTold && error !== undefined) {
    parameters.push(`error="${error}"`);
    // RFC 6750 section 3: no quotes or backslashes in it; ours are constants.
    if (description !== undefined) parameters.push(`error_description="${description}"`);
  }
  if (scheme === 'DPoP') parameters.push(`algs="${PROOF_ALGORITHMS.join(' ')}"`);
  return `${scheme} ${parameters.join(', ')}`;
}
