/**
 * Reads `../shared/vectors` beside the repository, or `$SALLYPORT_VECTORS`. Where they are absent a suite is skipped under
 * its own name; with `SALLYPORT_REQUIRE_ALL=1` it fails.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root =
  process.env['SALLYPORT_VECTORS'] ??
  fileURLToPath(new URL('../../../../../shared/vectors', import.meta.url));

/** The files of a folder, `pkits/certs`, sorted by name; undefined: the suite is to be skipped. */
export function vectorFiles(
  folder: string,
): readonly (readonly [name: string, octets: Uint8Array])[] | undefined {
  const path = `${root}/${folder}`;
  if (!existsSync(path) && process.env['SALLYPORT_REQUIRE_ALL'] !== '1') return undefined;
  const names = readdirSync(path).toSorted();
  return names.map((name) => [name, new Uint8Array(readFileSync(`${path}/${name}`))]);
}
