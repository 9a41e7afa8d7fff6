/**
 * The verifier keys of the audit log that are believed on this machine: one C2SP verifier key per line of
 * `audit-log.vkey`, oldest first. The first is pinned when the log begins; `keys rotate audit-checkpoint` adds the next.
 */
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from '@sallyport/audit-log';
import { CommandFailed, UsageError } from '../exit.ts';
import { readIfPresent, writePrivate } from '../state/files.ts';

export type Pins = {
  /** The newest. */
  readonly current: string;
  /** Oldest first. */
  readonly earlier: readonly string[];
  readonly keys: readonly VerifierKey[];
};

/** The pins of a file, or the one that was given instead. Throws `CommandFailed` or, for what was given, `UsageError`. */
export async function readPins(file: string, given?: string): Promise<Pins> {
  const text = given ?? (await readIfPresent(file)) ?? '';
  const lines = text.split('\n').filter((line) => line !== '');
  const keys = lines.map(parseVerifierKey).filter((key) => key !== undefined);
  const current = lines.at(-1);
  if (current === undefined || keys.length !== lines.length) {
    if (given !== undefined) throw new UsageError('--key is not a verifier key: <name>+<id>+<base64>.');
    throw new CommandFailed(
      `There is no verifier key of the log in ${file}, one line <name>+<id>+<base64>: Sallyport writes it on its first start.`,
    );
  }
  return { current, earlier: lines.slice(0, -1), keys };
}

/** Adds a key under the name of those before it. `publicKey` is raw, 32 bytes. A key that is there already stays once. */
export async function addPin(file: string, publicKey: Uint8Array): Promise<string> {
  const pins = await readPins(file);
  const name = pins.keys[0]?.name ?? '';
  const line = formatVerifierKey(name, publicKey);
  const lines = [...pins.earlier, pins.current];
  if (!lines.includes(line)) await writePrivate(file, `${[...lines, line].join('\n')}\n`);
  return line;
}
