/** Evidence: what a third party can verify, and each way in which it cannot be bent. */
import { createPublicKey } from 'node:crypto';
import { ED25519 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import {
  evidenceOf,
  verifyBindingSignature,
  verifyEvidence,
  verifyOpening,
  type Evidence,
  type EvidenceCause,
} from '../src/index.ts';
import { signatureRowOf } from '../src/suite.ts';
import { request } from './frames.ts';
import { bindingKeys, connect, flipBit, gatewayCertificateKeys, identity, keysOf, ok } from './world.ts';

const { client, gateway } = await connect();
const other = await connect();
const messages = Array.from({ length: 5 }, (_, at) => ({ ...request, payload: Uint8Array.of(at) }));
const opened = ok(gateway.openFrame(ok(client.sealFrame(messages)).bytes));
const response = { ...request, kind: 'response' as const, destination: '' };
const answered = ok(client.openFrame(ok(gateway.sealFrame([response, response])).bytes));
const voucher = { certificateKey: gatewayCertificateKeys.publicKey, delegation: identity.delegation };
const good = evidenceOf(gateway, opened, 3);

it.each([0, 1, 2, 3, 4])('message %i of a client is proved by the binding alone', (index) => {
  const verified = ok(verifyEvidence(evidenceOf(gateway, opened, index), bindingKeys.publicKey));
  expect(verified.header.sequence).toBe(index + 1);
  expect(verified.binding.principal).toBe('user:alice');
});

it('a message of the gateway is proved by its delegation', () => {
  const evidence = evidenceOf(client, answered, 1);
  expect(verifyEvidence(evidence, bindingKeys.publicKey, voucher).ok).toBe(true);
  expect(verifyEvidence(evidence, bindingKeys.publicKey)).toEqual({ ok: false, cause: 'signer' });
  const late = { ...voucher, delegation: { ...voucher.delegation, notAfterMs: 5 } };
  expect(verifyEvidence(evidence, bindingKeys.publicKey, late)).toEqual({ ok: false, cause: 'signer' });
});

it('there is none for a message that is not in the frame', () => {
  expect(() => evidenceOf(gateway, opened, 5)).toThrow(RangeError);
});

it('outlives the frame', () => {
  const sealed = ok(client.sealFrame([request])).bytes;
  const evidence = evidenceOf(gateway, ok(gateway.openFrame(sealed)), 0);
  sealed.fill(0);
  expect(verifyEvidence(evidence, bindingKeys.publicKey).ok).toBe(true);
});

describe('it fails', () => {
  const rows: readonly (readonly [string, Partial<Evidence>, EvidenceCause])[] = [
    ['with a cut header', { header: good.header.subarray(1) }, 'header'],
    ['with another destination', { header: flipBit(good.header, 73 * 8 + 1) }, 'signature'],
    ['with another content', { sealedDigest: flipBit(good.sealedDigest, 3) }, 'signature'],
    ['with a digest of 31 bytes', { sealedDigest: good.sealedDigest.subarray(1) }, 'path'],
    ['at another place of the frame', { firstSequence: 2 }, 'signature'],
    ['before the frame', { firstSequence: 5 }, 'position'],
    ['behind the frame', { count: 3 }, 'position'],
    ['in a frame of no messages', { count: 0 }, 'position'],
    ['in a frame of 257', { count: 257 }, 'position'],
    ['in a larger frame', { count: 6 }, 'signature'],
    ['with a path too short', { path: good.path.slice(1) }, 'path'],
    ['with a path too long', { path: [...good.path, good.sealedDigest] }, 'path'],
    ['with a sibling of 31 bytes', { path: good.path.map((hash) => hash.subarray(1)) }, 'path'],
    ['with another signature', { signature: flipBit(good.signature, 7) }, 'signature'],
    ['with a signature of no bytes', { signature: new Uint8Array(0) }, 'signature'],
    ['with another signer', { signerKey: ED25519.rawPublicKey(keysOf(50).publicKey) }, 'signer'],
    ['with the binding of another session', { binding: other.client.signedBinding }, 'wrong_session'],
    [
      'with a binding nobody signed',
      { binding: { ...good.binding, signature: new Uint8Array(64) } },
      'binding_signature',
    ],
    [
      'with a changed binding',
      { binding: { ...good.binding, bytes: flipBit(good.binding.bytes, 500) } },
      'binding_signature',
    ],
    [
      'with a cut binding',
      { binding: { ...good.binding, bytes: good.binding.bytes.subarray(1) } },
      'binding',
    ],
  ];
  it.each(rows)('%s', (_name, change, cause) => {
    expect(verifyEvidence({ ...good, ...change }, bindingKeys.publicKey)).toEqual({ ok: false, cause });
  });

  it('under another binding key', () => {
    expect(verifyEvidence(good, keysOf(51).publicKey)).toEqual({ ok: false, cause: 'binding_signature' });
  });
});

describe('an opening', () => {
  const opening = { seed: gateway.seedOfReceived(4), plaintext: Uint8Array.of(3) };

  it('shows what one message said', () => {
    expect(verifyOpening(good.header, opening)).toBe(true);
  });

  it.each([
    ['another text', { plaintext: Uint8Array.of(4) }],
    ['a longer text', { plaintext: Uint8Array.of(3, 3) }],
    // HMAC pads its key with zeros: these would be the same key.
    ['a longer seed', { seed: Uint8Array.of(...opening.seed, 0) }],
    ['a seed of no bytes', { seed: new Uint8Array(0) }],
    ['the seed of another message', { seed: gateway.seedOfReceived(3) }],
  ])('does not show %s', (_name, change) => {
    expect(verifyOpening(good.header, { ...opening, ...change })).toBe(false);
  });

  it('does not show it of another header', () => {
    expect(verifyOpening(evidenceOf(gateway, opened, 2).header, opening)).toBe(false);
    expect(verifyOpening(new Uint8Array(9), opening)).toBe(false);
  });
});

// OpenSSL 3.5 verifies nothing under such a key, older releases one signature for everything: our check must not lean on it.
describe('a key of small order vouches for nothing, whatever the platform says', () => {
  const weakKey = createPublicKey({
    key: Buffer.from(`01${'00'.repeat(31)}`, 'hex'),
    format: 'raw-public',
    asymmetricKeyType: 'ed25519',
  });
  const believing = { ...ED25519, verify: () => true };

  it('as the key of bindings', () => {
    const { bytes, signature } = good.binding;
    expect(verifyBindingSignature(bindingKeys.publicKey, bytes, signature, believing)).toBe(true);
    expect(verifyBindingSignature(weakKey, bytes, signature, believing)).toBe(false);
  });

  it('as the key of a certificate', () => {
    expect(signatureRowOf(bindingKeys.publicKey)).toBe(ED25519);
    expect(signatureRowOf(weakKey)).toBeUndefined();
  });
});
