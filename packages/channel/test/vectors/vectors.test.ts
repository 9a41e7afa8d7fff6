/**
 * docs/vectors are what the code makes of the same inputs, to the byte. `UPDATE_VECTORS=1` writes them anew; a change
 * of a vector is a change of the protocol and wants a word in docs/protocol.md.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromHex, toHex, X25519MLKEM768 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { gatewaySession } from '../frames.ts';
import { makeHybrid, makeVectors, publicKeys } from './make.ts';

const folder = fileURLToPath(new URL('../../../../docs/vectors/', import.meta.url));
const isUpdate = process.env['UPDATE_VECTORS'] === '1';
const made: Record<string, unknown> = { ...(await makeVectors()), 'public-keys': publicKeys };
const hybridFile = `${folder}hybrid.json`;

if (isUpdate) {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(made)) write(`${folder}${name}.json`, content);
  if (!existsSync(hybridFile)) write(hybridFile, makeHybrid());
}

it.each(Object.keys(made))('%s.json is fresh', (name) => {
  expect(read(`${folder}${name}.json`)).toEqual(JSON.parse(JSON.stringify(made[name])));
});

it('no other file lies there', () => {
  const expected = [...Object.keys(made), 'hybrid'].map((name) => `${name}.json`).sort();
  expect(
    readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort(),
  ).toEqual(expected);
});

it('the hybrid exchange comes out on the client’s side', () => {
  const vector = read(hybridFile);
  const draws = [hex(vector, 'mlkem_seed'), hex(vector, 'x25519_private')];
  const offer = X25519MLKEM768.offer(() => draws.shift() ?? new Uint8Array(0));
  expect(toHex(offer.share)).toBe(vector['client_share']);
  expect(toHex(offer.finish(hex(vector, 'server_share')) ?? new Uint8Array(0))).toBe(vector['secret']);
});

describe('refused-frames.json', () => {
  const rows = Object.values(read(`${folder}refused-frames.json`)).map(
    (row) => Object(row) as Record<string, unknown>,
  );
  it('has rows', () => {
    expect(rows.length).toBeGreaterThan(10);
  });

  it.each(rows.map((row) => [String(row['what']), row] as const))('%s', (_what, row) => {
    expect(gatewaySession().openFrame(hex(row, 'frame'))).toEqual({ ok: false, cause: row['cause'] });
  });
});

function read(path: string): Record<string, unknown> {
  return Object(JSON.parse(readFileSync(path, 'utf8'))) as Record<string, unknown>;
}

function write(path: string, content: unknown): void {
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
}

function hex(row: Record<string, unknown>, field: string): Uint8Array {
  const bytes = fromHex(String(row[field]));
  if (bytes === undefined) throw new Error(`${field} is not hexadecimal`);
  return bytes;
}
