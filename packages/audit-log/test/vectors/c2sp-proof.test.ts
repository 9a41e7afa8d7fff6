import { fromUtf8, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  entryOf,
  formatProof,
  parseEntry,
  parseProof,
  parseVerifierKey,
  TileReader,
  verifyProof,
} from '../../src/index.ts';
import type { LogProof } from '../../src/index.ts';
import { flipped, SampleLog, verifierKey } from '../support/sample-log.ts';

const key = parseVerifierKey(verifierKey);
if (key === undefined) throw new Error('no key');

const log = await SampleLog.ofSize(300);
const checkpoint = (await log.checkpoint()) ?? new Uint8Array();
const reader = new TileReader((path) => log.tile(path), 300);

async function proofOf(index: number): Promise<LogProof> {
  return { index, path: await reader.inclusionPath(index), checkpoint, extra: entryOf(log.leaf(index)) };
}

describe('C2SP tlog-proof', () => {
  it('has the form of the specification', async () => {
    const text = formatProof(await proofOf(73));
    const lines = text.split('\n');
    expect(lines[0]).toBe('c2sp.org/tlog-proof@v1');
    expect(lines[1]).toMatch(/^extra [A-Za-z0-9+/]+=*$/);
    expect(lines[2]).toBe('index 73');
    expect(lines.slice(3, 12).every((line) => /^[A-Za-z0-9+/]{43}=$/.test(line))).toBe(true);
    expect(lines[12]).toBe('');
    expect(text.endsWith(fromUtf8(checkpoint) ?? '?')).toBe(true);
  });

  it.each([0, 1, 73, 255, 256, 299])('proves leaf %i offline, after a round trip', async (index) => {
    const proof = parseProof(formatProof(await proofOf(index)));
    if (proof === undefined) throw new Error('no proof');
    expect(verifyProof(proof, log.leaf(index), [key])).toMatchObject({
      ok: true,
      index,
      checkpoint: { size: 300 },
    });
    expect(verifyProof(proof, { entry: proof.extra ?? new Uint8Array() }, [key]).ok).toBe(true);
  });

  it.each([
    ['another body', (leaf: ReturnType<SampleLog['leaf']>) => ({ ...leaf, body: flipped(leaf.body, 3) })],
    ['another sequence', (leaf: ReturnType<SampleLog['leaf']>) => ({ ...leaf, seq: leaf.seq + 1n })],
    [
      'another producer',
      (leaf: ReturnType<SampleLog['leaf']>) => ({ ...leaf, producer: `${leaf.producer}2` }),
    ],
  ])('%s is not included', async (_what, change) => {
    expect(verifyProof(await proofOf(73), change(log.leaf(73)), [key])).toEqual({
      ok: false,
      problem: 'not_included',
    });
  });

  it.each([
    ['another index', (proof: LogProof) => ({ ...proof, index: 74 })],
    ['an index beyond the log', (proof: LogProof) => ({ ...proof, index: 300 })],
    [
      'a changed hash',
      (proof: LogProof) => ({
        ...proof,
        path: proof.path.map((hash, i) => (i === 2 ? flipped(hash, 9) : hash)),
      }),
    ],
    ['a shorter path', (proof: LogProof) => ({ ...proof, path: proof.path.slice(1) })],
    ['a longer path', (proof: LogProof) => ({ ...proof, path: [...proof.path, new Uint8Array(32)] })],
  ])('%s proves nothing', async (_what, change) => {
    expect(verifyProof(change(await proofOf(73)), log.leaf(73), [key])).toEqual({
      ok: false,
      problem: 'not_included',
    });
  });

  it('no byte of the text before the signature can change', async () => {
    const proof = await proofOf(2);
    const { extra: _unauthenticated, ...rest } = proof;
    const text = utf8(formatProof(rest));
    for (let i = 0; i < text.length; i++) {
      const changed = parseProof(fromUtf8(flipped(text, i)) ?? '');
      expect(changed !== undefined && verifyProof(changed, log.leaf(2), [key]).ok, `byte ${i}`).toBe(false);
    }
  });

  const good = `c2sp.org/tlog-proof@v1\nindex 0\n\nlog\n`;
  it.each([
    ['nothing', ''],
    ['another version', good.replace('v1', 'v2')],
    ['no index', good.replace('index 0\n', '')],
    ['a leading zero', good.replace('index 0', 'index 00')],
    ['a negative index', good.replace('index 0', 'index -1')],
    ['no blank line', good.replace('\n\n', '\n')],
    ['empty extra', good.replace('index', 'extra \nindex')],
    ['extra after the index', good.replace('index 0', 'index 0\nextra AAAA')],
    ['a short hash', good.replace('index 0', 'index 0\nAAAA')],
    ['65 hashes', good.replace('index 0', `index 0${`\n${'A'.repeat(43)}=`.repeat(65)}`)],
  ])('%s is no proof', (_what, text) => {
    expect(parseProof(good)).toBeDefined();
    expect(parseProof(text)).toBeUndefined();
  });

  it('property: parsing is total on noise', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array(), (noise, bytes) => {
        expect(parseProof(noise)).toBeUndefined();
        expect(parseEntry(bytes)).toBeUndefined();
        parseProof(`c2sp.org/tlog-proof@v1\n${noise}`);
      }),
    );
  });
});

describe('entries', () => {
  const record = { producer: 'spiffe://sallyport.local/svc/gateway#1', seq: 12n, body: utf8('{}') };

  it('commit to producer, sequence and body in a few lines', () => {
    expect(fromUtf8(entryOf(record))).toBe(
      'sallyport-audit/1\nspiffe://sallyport.local/svc/gateway#1\n12\nRBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=\n',
    );
    expect(parseEntry(entryOf(record))).toMatchObject({ producer: record.producer, seq: 12n });
  });

  it.each([
    { ...record, producer: 'two\nlines' },
    { ...record, producer: '' },
    { ...record, producer: 'x'.repeat(256) },
    { ...record, seq: 0n },
    { ...record, seq: 1n << 64n },
  ])('are refused for %o', (bad) => {
    expect(() => entryOf(bad)).toThrow(RangeError);
  });
});
