import { fromUtf8, utf8 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import {
  AUDIT,
  decisionEvent,
  flipped,
  GATEWAY,
  gapEvent,
  KEYS,
  leafOf,
  ORIGIN,
  SampleLog,
  signer,
  verifierKey,
} from '../../test/support/sample-log.ts';
import { RECORD_COLUMNS } from '../event/record.ts';
import type { AuditRecord } from '../event/record.ts';
import { openLog, rebuildLog } from '../log/builder.ts';
import { formatCheckpoint } from '../log/checkpoint.ts';
import { entryOf } from '../log/entry.ts';
import { signNote } from '../log/note.ts';
import type { VerifyFinding } from './types.ts';
import { verifyLog } from './verify-log.ts';

const verify = (log: SampleLog) => verifyLog(log, { verifierKey });

/** The only finding of a log. */
async function onlyFinding(log: SampleLog): Promise<VerifyFinding> {
  const { ok, findings } = await verify(log);
  expect(ok).toBe(false);
  const [finding, ...more] = findings;
  expect(more).toEqual([]);
  if (finding === undefined) throw new Error('nothing was found');
  expect(finding.what).not.toBe('');
  expect(finding.next).not.toBe('');
  return finding;
}

const small = () => SampleLog.ofSize(5);

describe('a log as it should be', () => {
  it.each([0, 1, 5, 255, 256, 257, 600])('of %i leaves has no findings', async (size) => {
    const log = await SampleLog.ofSize(size, [Math.floor(size / 3), Math.floor(size / 2)]);
    const report = await verify(log);
    expect(report).toMatchObject({ ok: true, leaves: size, pending: 0, findings: [], findingCount: 0 });
    expect(report.checkpoint?.size).toBe(size);
  });

  it('names its producers and leaves that are not under the checkpoint yet', async () => {
    const log = await small();
    log.leafList.push(leafOf(5, KEYS, 3n, decisionEvent(5)));
    const report = await verify(log);
    expect(report).toMatchObject({ ok: true, leaves: 5, pending: 1 });
    expect(report.producers).toEqual([
      { producer: GATEWAY, firstSeq: 1n, lastSeq: 3n },
      { producer: KEYS, firstSeq: 1n, lastSeq: 2n },
    ]);
  });

  it('without anything in it and never signed is fine', async () => {
    const log = await SampleLog.ofSize(0);
    await log.store.replace('checkpoint', new Uint8Array(0));
    const never = {
      checkpoint: async () => undefined,
      tile: log.tile.bind(log),
      leaves: log.leaves.bind(log),
    };
    expect(await verifyLog(never, { verifierKey })).toMatchObject({ ok: true, leaves: 0 });
  });

  it('a malformed verifier key is refused', async () => {
    await expect(verifyLog(await small(), { verifierKey: `${verifierKey}x` })).rejects.toThrow(RangeError);
  });
});

describe('a changed row', () => {
  const other: Partial<Record<keyof AuditRecord, AuditRecord[keyof AuditRecord]>> = {
    phase: 'outcome',
    outcome: 'success',
    decision: 'deny',
  };

  it.each(RECORD_COLUMNS.filter((column) => column !== 'item'))(
    'is named by its column %s',
    async (column) => {
      const log = await small();
      const [row] = log.leaf(3).records;
      if (row === undefined) throw new Error('no row');
      const value = row[column];
      const changed =
        other[column] ??
        (typeof value === 'string' ? `${value}x` : typeof value === 'bigint' ? value + 1n : value + 1);
      Object.assign(row, { [column]: changed });
      const finding = await onlyFinding(log);
      expect(finding).toMatchObject({ kind: 'row', leafIndex: 3, producer: KEYS, seq: 2n, item: 0, column });
      expect(finding.where).toContain(`item 0, column ${column}`);
    },
  );

  it('that was removed is named', async () => {
    const log = await small();
    log.leaf(2).records.splice(1, 1);
    expect(await onlyFinding(log)).toMatchObject({ kind: 'row', leafIndex: 2, item: 1, column: 'item' });
  });

  it('that was added is named', async () => {
    const log = await small();
    const [row] = log.leaf(2).records;
    if (row !== undefined) log.leaf(2).records.push({ ...row, item: 7 });
    expect(await onlyFinding(log)).toMatchObject({ kind: 'row', leafIndex: 2, item: 7 });
  });

  it('that is there twice is named', async () => {
    const log = await small();
    const [row] = log.leaf(2).records;
    if (row !== undefined) log.leaf(2).records.push({ ...row });
    expect(await onlyFinding(log)).toMatchObject({ kind: 'row', leafIndex: 2, item: 0 });
  });
});

describe('a changed leaf', () => {
  it('any byte of a body is named as the body of that leaf', async () => {
    const length = (await small()).leaf(3).body.length;
    for (let offset = 0; offset < length; offset += 37) {
      const log = await small();
      log.leaf(3).body = flipped(log.leaf(3).body, offset);
      expect(await onlyFinding(log)).toMatchObject({ kind: 'body', leafIndex: 3, column: 'body' });
    }
  });

  it.each([
    ['producer', (log: SampleLog) => (log.leaf(3).producer = GATEWAY)],
    ['producer', (log: SampleLog) => (log.leaf(3).producer = 'not a producer')],
    ['producer_seq', (log: SampleLog) => (log.leaf(3).seq = 9n)],
    ['leaf_hash', (log: SampleLog) => (log.leaf(3).leafHash = new Uint8Array(32))],
  ])('its column %s is named', async (column, change) => {
    const log = await small();
    change(log);
    expect(await onlyFinding(log)).toMatchObject({ kind: 'leaf', leafIndex: 3, column });
  });

  it('leaves deleted are named as a range', async () => {
    const log = await SampleLog.ofSize(300);
    log.leafList.splice(250, 10);
    expect(await onlyFinding(log)).toMatchObject({
      kind: 'leaf',
      where: 'leaves 250 to 259',
      leafIndex: 250,
    });
  });

  it('leaves deleted at the end are named', async () => {
    const log = await small();
    log.leafList.pop();
    expect(await onlyFinding(log)).toMatchObject({ kind: 'leaf', where: 'leaf 4' });
  });

  it('a leaf that is there twice is named', async () => {
    const log = await small();
    log.leafList.splice(3, 0, log.leaf(2));
    expect(await onlyFinding(log)).toMatchObject({ kind: 'leaf', leafIndex: 2 });
  });

  it('body and bundle changed together are told from the signed hash tile', async () => {
    const log = await small();
    log.leaf(3).body = flipped(log.leaf(3).body, 50);
    await rebuildLog(log.store, log.leafList.map(entryOf));
    const good = await small();
    await log.store.replace('tile/0/000.p/5', (await good.tile('tile/0/000.p/5')) ?? new Uint8Array());
    const { findings } = await verify(log);
    expect(findings.map(({ kind }) => kind)).toEqual(['body', 'entry_bundle']);
  });
});

describe('a changed tile', () => {
  it('any byte of a hash tile is named', async () => {
    for (let offset = 0; offset < 160; offset++) {
      const log = await small();
      await log.flip('tile/0/000.p/5', offset);
      const position = Math.floor(offset / 32);
      expect(await onlyFinding(log)).toMatchObject({
        kind: 'hash_tile',
        tile: 'tile/0/000.p/5',
        offset,
        position,
      });
    }
  });

  it('any byte of an entry bundle is named', async () => {
    const bundle = await (await small()).tile('tile/entries/000.p/5');
    expect(bundle?.length).toBeGreaterThan(300);
    for (let offset = 0; offset < (bundle?.length ?? 0); offset++) {
      const log = await small();
      await log.flip('tile/entries/000.p/5', offset);
      expect(await onlyFinding(log)).toMatchObject({
        kind: 'entry_bundle',
        tile: 'tile/entries/000.p/5',
        offset,
      });
    }
  });

  it.each([
    ['tile/0/000', 8191],
    ['tile/0/001', 0],
    ['tile/0/002.p/88', 700],
    ['tile/1/000.p/2', 0],
    ['tile/1/000.p/2', 63],
    ['tile/entries/001', 20_000],
  ])('%s byte %i of a larger log is named', async (tile, offset) => {
    const log = await SampleLog.ofSize(600, [300]);
    await log.flip(tile, offset);
    expect(await onlyFinding(log)).toMatchObject({ tile, offset });
  });

  it.each([
    ['hash_tile', 'tile/0/000.p/5'],
    ['entry_bundle', 'tile/entries/000.p/5'],
  ])('a missing %s is named', async (kind, tile) => {
    const log = await small();
    await log.store.remove(tile);
    expect(await onlyFinding(log)).toMatchObject({ kind, tile, what: 'the tile is missing' });
  });

  it.each(['tile/0/000.p/5', 'tile/entries/000.p/5'])('bytes after the end of %s are named', async (tile) => {
    const log = await small();
    const bytes = (await log.tile(tile)) ?? new Uint8Array();
    await log.store.replace(tile, new Uint8Array([...bytes, 0]));
    expect(await onlyFinding(log)).toMatchObject({ tile, offset: bytes.length });
  });

  it('a tile that ends early is named', async () => {
    const log = await small();
    const bytes = (await log.tile('tile/0/000.p/5')) ?? new Uint8Array();
    await log.store.replace('tile/0/000.p/5', bytes.subarray(0, 100));
    expect(await onlyFinding(log)).toMatchObject({ kind: 'hash_tile', offset: 100 });
  });
});

describe('a changed checkpoint', () => {
  it('any byte is named by its line', async () => {
    const note = (await (await small()).checkpoint()) ?? new Uint8Array();
    for (let offset = 0; offset < note.length; offset++) {
      const log = await small();
      await log.flip('checkpoint', offset);
      const { ok, findings } = await verify(log);
      expect(ok, `byte ${offset}`).toBe(false);
      expect(
        findings.every(({ kind }) => kind === 'checkpoint'),
        `byte ${offset}`,
      ).toBe(true);
      const line = (fromUtf8(note.subarray(0, offset)) ?? '\n\n\n\n').split('\n').length;
      // A changed line feed joins two lines: any of those after it may be named.
      if (note[offset] !== 0x0a)
        expect(
          findings.map((finding) => finding.line),
          `byte ${offset}`,
        ).toEqual([line]);
    }
  });

  it.each([
    ['checkpoint line 1', 1, `other.log\n5\n`],
    ['checkpoint line 2', 2, `${ORIGIN}\n4\n`],
    ['checkpoint line 2', 2, `${ORIGIN}\n99\n`],
  ])('%s replaced by another valid value is named', async (where, line, start) => {
    const log = await small();
    const note = fromUtf8((await log.checkpoint()) ?? new Uint8Array()) ?? '';
    await log.store.replace('checkpoint', utf8(start + note.split('\n').slice(2).join('\n')));
    expect(await onlyFinding(log)).toMatchObject({ kind: 'checkpoint', where, line });
  });

  it('that is missing is named', async () => {
    const log = await small();
    const without = {
      checkpoint: async () => undefined,
      tile: log.tile.bind(log),
      leaves: log.leaves.bind(log),
    };
    expect((await verifyLog(without, { verifierKey })).findings).toMatchObject([{ kind: 'checkpoint' }]);
  });

  it('and a changed row are both named', async () => {
    const log = await small();
    await log.flip('checkpoint', 60);
    const [row] = log.leaf(1).records;
    if (row !== undefined) row.principal = 'user:mallory';
    expect((await verify(log)).findings.map(({ kind }) => kind)).toEqual(['checkpoint', 'row']);
  });
});

describe('a rewritten history', () => {
  it('entries, bodies and tiles changed at once do not fit the signed root', async () => {
    const log = await small();
    Object.assign(log.leafList, { 3: leafOf(3, KEYS, 2n, decisionEvent(99)) });
    await rebuildLog(log.store, log.leafList.map(entryOf));
    expect(await onlyFinding(log)).toMatchObject({ kind: 'consistency', line: 3 });
  });

  it('signed anew does not fit the checkpoint that was seen before', async () => {
    const previous = (await verify(await small())).checkpoint;
    const leaves = (await SampleLog.ofSize(7)).leafList;
    leaves[3] = leafOf(3, KEYS, 2n, decisionEvent(99));
    const forked = await SampleLog.of(leaves);
    expect(await verify(forked)).toMatchObject({ ok: true });
    if (previous === undefined) throw new Error('no checkpoint');
    const report = await verifyLog(forked, { verifierKey, previous });
    expect(report.findings).toMatchObject([{ kind: 'consistency', where: 'leaves 0 to 5' }]);
  });

  it('signed anew with less than was seen before has shrunk', async () => {
    const previous = (await verify(await small())).checkpoint;
    if (previous === undefined) throw new Error('no checkpoint');
    const report = await verifyLog(await SampleLog.ofSize(4), { verifierKey, previous });
    expect(report.findings).toMatchObject([{ kind: 'consistency', line: 2 }]);
  });

  it('that only grew since is fine', async () => {
    const previous = (await verify(await SampleLog.ofSize(300))).checkpoint;
    if (previous === undefined) throw new Error('no checkpoint');
    expect(await verifyLog(await SampleLog.ofSize(600), { verifierKey, previous })).toMatchObject({
      ok: true,
    });
  });

  it('a checkpoint that signs a wrong root is named', async () => {
    const log = await small();
    const root = new Uint8Array(32).fill(9);
    await log.store.replace(
      'checkpoint',
      await signNote(formatCheckpoint({ origin: ORIGIN, size: 5, root }), [signer]),
    );
    expect(await onlyFinding(log)).toMatchObject({ kind: 'consistency', line: 3 });
  });
});

describe('completeness', () => {
  const gateway = (index: number, seq: bigint) => leafOf(index, GATEWAY, seq, decisionEvent(index));

  it('a number left out is named', async () => {
    const log = await SampleLog.of([gateway(0, 1n), gateway(1, 3n)]);
    expect(await onlyFinding(log)).toMatchObject({
      kind: 'sequence',
      producer: GATEWAY,
      seq: 2n,
      leafIndex: 1,
    });
  });

  it('a producer that does not begin at 1 is named', async () => {
    expect(await onlyFinding(await SampleLog.of([gateway(0, 2n)]))).toMatchObject({
      kind: 'sequence',
      seq: 1n,
    });
  });

  it('a number that comes twice is named', async () => {
    const log = await SampleLog.of([gateway(0, 1n), gateway(1, 1n)]);
    expect(await onlyFinding(log)).toMatchObject({ kind: 'sequence', seq: 1n, leafIndex: 1 });
  });

  it('a gap that audit-service recorded is listed and no finding', async () => {
    const gap = leafOf(1, AUDIT, 1n, gapEvent(1, { producer: GATEWAY, fromSeq: 2n, toSeq: 4n }));
    const report = await verify(await SampleLog.of([gateway(0, 1n), gap, gateway(2, 5n)]));
    expect(report.ok).toBe(true);
    expect(report.recordedGaps).toEqual([{ producer: GATEWAY, firstSeq: 2n, lastSeq: 4n }]);
  });

  it('a gap recorded only in part is a finding from there', async () => {
    const gap = leafOf(1, AUDIT, 1n, gapEvent(1, { producer: GATEWAY, fromSeq: 2n, toSeq: 3n }));
    const log = await SampleLog.of([gateway(0, 1n), gap, gateway(2, 5n)]);
    expect(await onlyFinding(log)).toMatchObject({ kind: 'sequence', seq: 4n });
  });

  it.each([
    ['in its own name', KEYS],
    ["in audit-service's name", AUDIT],
  ])('a gap that another service declares, %s, explains nothing', async (_what, source) => {
    const gap = leafOf(1, KEYS, 1n, gapEvent(1, { producer: GATEWAY, fromSeq: 2n, toSeq: 2n }, source));
    const log = await SampleLog.of([gateway(0, 1n), gap, gateway(2, 3n)]);
    expect(await onlyFinding(log)).toMatchObject({ kind: 'sequence', seq: 2n });
  });
});

it('counts all findings and keeps the first ones', async () => {
  const log = await SampleLog.ofSize(50);
  for (const leaf of log.leafList) for (const row of leaf.records) row.principal = 'user:mallory';
  const report = await verifyLog(log, { verifierKey, maxFindings: 10 });
  expect(report.findings).toHaveLength(10);
  expect(report.findingCount).toBe(100);
});

it('rebuilding the tiles repairs them', async () => {
  const log = await SampleLog.ofSize(600, [300]);
  for (const tile of ['tile/0/000', 'tile/1/000.p/2', 'tile/entries/001']) await log.flip(tile, 40);
  expect((await verify(log)).findingCount).toBe(3);
  await rebuildLog(log.store, log.leafList.map(entryOf));
  expect(await verify(log)).toMatchObject({ ok: true });
  expect((await openLog(log.store, 600)).size).toBe(600);
});
