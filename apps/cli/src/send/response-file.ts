/** `--out`: one JSON object for each line, in the order of completion. */
import { open } from 'node:fs/promises';
import type { Outcome } from './tally.ts';
import { isJsonType, jsonProblem } from './body.ts';

export type ResponseFile = AsyncDisposable & {
  /** Resolves when there is room for more. Rejects once the file cannot be written. */
  write(outcome: Outcome): Promise<void>;
};

/** Creates or replaces `path`. Rejects where that is not possible, before anything is sent. */
export async function openResponseFile(path: string): Promise<ResponseFile> {
  const handle = await open(path, 'w', 0o600);
  const stream = handle.createWriteStream();
  let problem: Error | undefined;
  let onRoom: (() => void)[] = [];
  const release = (): void => {
    const waiting = onRoom;
    onRoom = [];
    for (const resolve of waiting) resolve();
  };
  stream.on('error', (error) => {
    problem = error;
    release();
  });
  stream.on('drain', release);
  return {
    async write(outcome) {
      if (problem === undefined && !stream.write(`${responseLine(outcome)}\n`)) {
        await new Promise<void>((resolve) => onRoom.push(resolve));
      }
      if (problem !== undefined) throw problem;
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => (problem === undefined ? stream.end(resolve) : resolve()));
      stream.destroy();
    },
  };
}

/** One line of JSON. A JSON body is put in as it came, so that no number loses digits. */
export function responseLine(outcome: Outcome): string {
  const { line } = outcome;
  if (outcome.kind === 'succeeded') {
    const { contentType, correlation, body } = outcome.response;
    const start = JSON.stringify({ line, ok: true, correlation, contentType });
    return `${start.slice(0, -1)},"response":${embedded(contentType, body)}}`;
  }
  if (outcome.kind === 'invalid') {
    return JSON.stringify({
      line,
      ok: false,
      error: { kind: 'invalid', code: 'invalid_line', message: outcome.problem },
    });
  }
  const { kind, code, message, mayHaveTakenEffect } = outcome.error;
  return JSON.stringify({ line, ok: false, error: { kind, code, message, mayHaveTakenEffect } });
}

function embedded(contentType: string, body: Uint8Array): string {
  const bytes = Buffer.from(body);
  if (!isJsonType(contentType) || jsonProblem(body) !== undefined)
    return JSON.stringify(bytes.toString('base64'));
  // RFC 8259 section 7: a line break inside a string is escaped, so one in the clear is white space.
  return bytes.toString('utf8').replaceAll(/[\r\n]+/gu, ' ');
}
