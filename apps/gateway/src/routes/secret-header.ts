/** A credential for a destination: one header whose value is in a file, read again while the gateway runs. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Secret } from '@sallyport/crypto';

export type CredentialConfig = {
  /** Such as `Authorization`. */
  readonly header: string;
  /** Put before what the file holds, such as `Bearer `. */
  readonly prefix?: string;
  readonly secretFile: string;
};

export type SecretHeader = Disposable & {
  /** For one request. */
  headers(): Readonly<Record<string, string>>;
};

const READ_EVERY_MS = 30_000;
const MAX_BYTES = 8_192;

/** Throws `TypeError` for a file that cannot be read or does not hold one line of visible text. */
export function secretHeader(
  { header, prefix = '', secretFile }: CredentialConfig,
  onProblem: (problem: string) => void,
): SecretHeader {
  let secret = parse(readFirst(secretFile), secretFile);
  const timer = setInterval(() => {
    // While it cannot be read the last one stays in use: it may well be good.
    void readFile(secretFile).then(
      (bytes) => {
        try {
          secret = parse(bytes, secretFile);
        } catch (error) {
          onProblem(String(error));
        }
      },
      () => onProblem(`${secretFile} cannot be read`),
    );
  }, READ_EVERY_MS);
  timer.unref();
  return {
    headers: () => ({ [header]: prefix + secret.use((bytes) => Buffer.from(bytes).toString('latin1')) }),
    [Symbol.dispose]() {
      clearInterval(timer);
      secret.wipe();
    },
  };
}

/** Throws `TypeError` as `secretHeader` would; its message holds nothing of the file. */
export function checkSecretFile(file: string): void {
  parse(readFirst(file), file).wipe();
}

function readFirst(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new TypeError(`${file} cannot be read`, { cause });
  }
}

/** Its last line end is not part of it. */
function parse(bytes: Uint8Array, file: string): Secret {
  const text = Buffer.from(bytes)
    .toString('latin1')
    .replace(/\r?\n$/u, '');
  if (text === '' || text.length > MAX_BYTES || !/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/u.test(text))
    throw new TypeError(`${file} must hold one line of visible characters, at most ${MAX_BYTES}`);
  return new Secret(Uint8Array.from(Buffer.from(text, 'latin1')));
}
