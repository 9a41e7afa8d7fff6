import { ED25519, fromUtf8, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatCheckpoint,
  formatVerifierKey,
  parseCheckpoint,
  parseVerifierKey,
  signNote,
  verifyCheckpoint,
} from '../../src/index.ts';
import { ORIGIN, signer, verifierKey } from '../support/sample-log.ts';

// The example of the specification.
const TEXT = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
const key = parseVerifierKey(verifierKey);
if (key === undefined) throw new Error('no key');

describe('C2SP tlog-checkpoint', () => {
  it('reads and writes the example', () => {
    const checkpoint = parseCheckpoint(TEXT);
    expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163 });
    if (checkpoint !== undefined) expect(formatCheckpoint(checkpoint)).toBe(TEXT);
  });

  it('allows extension lines', () => {
    expect(parseCheckpoint(`${TEXT}extension\n`)?.size).toBe(20_852_163);
  });

  it.each([
    ['nothing', ''],
    ['two lines', TEXT.split('\n').slice(0, 2).join('\n')],
    ['no last line feed', TEXT.slice(0, -1)],
    ['an empty origin', TEXT.slice(TEXT.indexOf('\n'))],
    ['an empty extension line', `${TEXT}\n`],
    ['a leading zero', TEXT.replace('20852163', '020852163')],
    ['a sign', TEXT.replace('20852163', '+20852163')],
    ['an exponent', TEXT.replace('20852163', '2e7')],
    ['a size beyond safe numbers', TEXT.replace('20852163', '9007199254740993')],
    ['a short root', TEXT.replace('CsUYapGG', 'CsUY')],
    ['a root that is not base64', TEXT.replace('CsUY', 'C_UY')],
    ['spaces', TEXT.replace('20852163', ' 20852163')],
  ])('%s is refused', (_what, text) => {
    expect(parseCheckpoint(text)).toBeUndefined();
  });

  it('verifies what was signed', async () => {
    const checkpoint = { origin: ORIGIN, size: 7, root: new Uint8Array(32).fill(3) };
    const note = await signNote(formatCheckpoint(checkpoint), [signer]);
    expect(verifyCheckpoint(note, [key])).toMatchObject({ ok: true, checkpoint });
  });

  it("another log's text under our key is of another log", async () => {
    const note = await signNote(TEXT, [signer]);
    expect(verifyCheckpoint(note, [key])).toEqual({ ok: false, problem: 'other_log' });
  });

  it('a signed note that is no checkpoint is malformed', async () => {
    expect(verifyCheckpoint(await signNote('hello\n', [signer]), [key])).toEqual({
      ok: false,
      problem: 'malformed',
    });
  });

  it('a key of small order signs nothing', async () => {
    const weak = formatVerifierKey(ORIGIN, Uint8Array.of(1, ...new Uint8Array(31)));
    const parsed = parseVerifierKey(weak);
    if (parsed === undefined) throw new Error('a well-formed text');
    const identity = Uint8Array.of(1, ...new Uint8Array(63));
    const forged = await signNote(formatCheckpoint({ origin: ORIGIN, size: 1, root: new Uint8Array(32) }), [
      { name: ORIGIN, publicKey: parsed.publicKey, sign: async () => identity },
    ]);
    expect(verifyCheckpoint(forged, [parsed])).toEqual({ ok: false, problem: 'bad_signature' });
  });

  it('property: round trip, and total on noise', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.string(),
        (size, root, noise) => {
          const checkpoint = { origin: ORIGIN, size, root };
          expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint);
          expect(parseCheckpoint(noise)).toBeUndefined();
          expect(verifyCheckpoint(utf8(noise), [key]).ok).toBe(false);
        },
      ),
    );
  });

  it('ED25519 signatures are 64 bytes, as the note wants them', async () => {
    const note = fromUtf8(await signNote(TEXT, [signer])) ?? '';
    expect(Buffer.from(note.trimEnd().split(' ').at(-1) ?? '', 'base64')).toHaveLength(
      4 + ED25519.signatureLength,
    );
  });
});
