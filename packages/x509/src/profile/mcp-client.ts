/**
 * `mcp-client`: who opens a secure channel with a certificate. An SVID for clients, with a key that signs a handshake, in a
 * path that fits into one message. Which trust domain and which principals are welcome is for whoever asks.
 */
import { inspectKey } from '../signature/public-key.ts';
import { isFailure, type KeyKind } from '../signature/types.ts';
import { broken, USAGE } from './facts.ts';
import { SVID } from './svid.ts';
import type { Profile, Rule } from './types.ts';

/** The leaf included, the anchor not. */
const MAX_CERTIFICATES = 4;

/** Keys that sign short transcripts fast and are verified fast. */
const KEYS: ReadonlySet<KeyKind> = new Set<KeyKind>([
  'ed25519',
  'ec-p256',
  'ec-p384',
  'ml-dsa-44',
  'ml-dsa-65',
]);

const shortPath: Rule = (_, position, { pathLength }) =>
  position === 'leaf' && pathLength > MAX_CERTIFICATES
    ? broken('mcp-client', `a path of ${pathLength} certificates, more than ${MAX_CERTIFICATES}`)
    : undefined;

/** No extended key usage at all would be any usage (RFC 5280 section 4.2.1.12), and so would be "any". */
const statedUsage: Rule = ({ extendedKeyUsage }, position) =>
  position === 'leaf' && extendedKeyUsage?.includes(USAGE.clientAuth) !== true
    ? broken('mcp-client', 'the leaf does not say clientAuth')
    : undefined;

const signingKey: Rule = ({ subjectPublicKeyInfo }, position) => {
  if (position !== 'leaf') return undefined;
  const key = inspectKey(subjectPublicKeyInfo, undefined);
  if (isFailure(key)) return key;
  return KEYS.has(key.kind) ? undefined : broken('mcp-client', `a key of the kind ${key.kind}`);
};

export const MCP_CLIENT: Profile = {
  name: 'mcp-client',
  defaultPurpose: 'client',
  rules: [shortPath, statedUsage, signingKey, ...SVID.rules],
};
