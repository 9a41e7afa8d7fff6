/** Suites over one file of the public vectors; where they are and when they may be absent: vectors.ts. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

const root =
  process.env['SALLYPORT_VECTORS'] ??
  fileURLToPath(new URL('../../../../../shared/vectors', import.meta.url));

/** Octets of a file that must be there. */
export function vectorFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(`${root}/${path}`));
}

/** A suite over a JSON file, whose tests `define` makes. Skipped under its own name where the file is absent. */
export function vectorSuite<T>(title: string, path: string, define: (vectors: T) => void): void {
  const isPresent = existsSync(`${root}/${path}`) || process.env['SALLYPORT_REQUIRE_ALL'] === '1';
  describe.skipIf(!isPresent)(`${title}${isPresent ? '' : ' (vectors absent)'}`, () => {
    if (isPresent) define(JSON.parse(readFileSync(`${root}/${path}`, 'utf8')) as T);
  });
}
