import { concatBytes, ED25519, fromUtf8, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatVerifierKey, parseNote, parseVerifierKey, signNote, verifyNote } from '../../src/index.ts';
import { flipped, signer, verifierKey } from '../support/sample-log.ts';
import vector from './signed-note.json' with { type: 'json' };

const peter = key(vector.verifierKey);
const ours = key(verifierKey);
const note = utf8(vector.note);

function key(text: string) {
  const parsed = parseVerifierKey(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

describe('C2SP signed-note', () => {
  it('verifies the published note', () => {
    expect(verifyNote(note, [peter])).toMatchObject({ ok: true, signedBy: [{ name: 'PeterNeumann' }] });
  });

  it('writes the published verifier key', () => {
    expect(formatVerifierKey(peter.name, peter.publicKey)).toBe(vector.verifierKey);
  });

  it('no byte of the note can be changed', () => {
    for (let i = 0; i < note.length; i++)
      expect(verifyNote(flipped(note, i), [peter]).ok, `byte ${i}`).toBe(false);
  });

  it('what we sign, we verify; other signatures are ignored', async () => {
    const other = ED25519.generate();
    const witness = {
      name: 'witness.example',
      publicKey: ED25519.rawPublicKey(other.publicKey),
      sign: async (bytes: Uint8Array) => ED25519.sign(other.privateKey, bytes),
    };
    const signed = await signNote('one\n\ntwo\n', [witness, signer]);
    expect(verifyNote(signed, [ours])).toMatchObject({
      ok: true,
      text: 'one\n\ntwo\n',
      signedBy: [{ name: signer.name }],
    });
    expect(parseNote(signed)?.signatures).toHaveLength(2);
    expect(verifyNote(signed, [peter])).toEqual({ ok: false, problem: 'unknown_key' });
  });

  it('a key of the same name and another id is unknown, not wrong', async () => {
    const other = key(formatVerifierKey(signer.name, ED25519.rawPublicKey(ED25519.generate().publicKey)));
    expect(verifyNote(await signNote('text\n', [signer]), [other])).toEqual({
      ok: false,
      problem: 'unknown_key',
    });
  });

  it('one bad signature of a known key refuses the note, whatever else signed it', async () => {
    const bad = { ...signer, sign: async () => new Uint8Array(64) };
    const signed = await signNote('text\n', [signer, bad]);
    expect(verifyNote(signed, [ours])).toEqual({ ok: false, problem: 'bad_signature' });
  });

  it('accepts 16 signatures and refuses a flood of them', async () => {
    expect(verifyNote(await signNote('text\n', Array(16).fill(signer)), [ours]).ok).toBe(true);
    expect(verifyNote(await signNote('text\n', Array(65).fill(signer)), [ours])).toEqual({
      ok: false,
      problem: 'malformed',
    });
  });

  const good = vector.note;
  it.each([
    ['empty', ''],
    ['without signature', 'text\n\n'],
    ['without blank line', good.replace('\n\n', '\n')],
    ['without last line feed', good.slice(0, -1)],
    ['with a hyphen for the dash', good.replace('\u2014', '-')],
    ['with two spaces', good.replace('Neumann ', 'Neumann  ')],
    ['with a plus in the name', good.replace('PeterNeumann', 'Peter+Neumann')],
    ['with a tab', good.replace('If you', 'If\tyou')],
    ['with carriage returns', good.replaceAll('\n', '\r\n')],
    ['with unpadded base64', good.replace('=\n', '\n')],
    ['with base64url', good.replace('x08go/Z', 'x08go_Z')],
    ['with a key id and no signature', 'text\n\n\u2014 PeterNeumann x08gow==\n'],
    ['with a line after the signatures', `${good}more\n`],
  ])('%s is malformed', (_what, text) => {
    expect(verifyNote(utf8(text), [peter])).toEqual({ ok: false, problem: 'malformed' });
  });

  it.each([
    ['empty', ''],
    ['another id', vector.verifierKey.replace('c74f20a3', 'c74f20a4')],
    ['another name', vector.verifierKey.replace('Peter', 'Pete')],
    ['another algorithm', vector.verifierKey.replace('+ARpc', '+AhpC')],
    ['no name', vector.verifierKey.slice('PeterNeumann'.length)],
    ['a short key', vector.verifierKey.slice(0, -4)],
    ['upper-case id', vector.verifierKey.replace('c74f20a3', 'C74F20A3')],
  ])('a verifier key with %s is refused', (_what, text) => {
    expect(parseVerifierKey(text)).toBeUndefined();
  });

  it('text without a last line feed, or with control characters, is not signed', async () => {
    await expect(signNote('text', [signer])).rejects.toThrow(RangeError);
    await expect(signNote('te\u0000xt\n', [signer])).rejects.toThrow(RangeError);
  });

  it('property: parsing is total on noise and on damaged notes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(note.length), (noise, at) => {
        expect(verifyNote(noise, [peter]).ok).toBe(false);
        expect(verifyNote(concatBytes(note.subarray(0, at), noise, note.subarray(at)), [peter]).ok).toBe(
          noise.length === 0,
        );
        parseVerifierKey(fromUtf8(noise) ?? '');
      }),
    );
  });
});
