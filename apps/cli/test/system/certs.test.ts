/** `certs verify --batch -` as a process: a pipe on both ends, and the user's Ctrl-C. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../bin/sallyport.js', import.meta.url));
const vectors = fileURLToPath(new URL('../vectors/certs/', import.meta.url));

function start() {
  const child = spawn(process.execPath, [program, 'certs', 'verify', '--batch', '-'], {
    env: { SALLYPORT_HOME: '/nonexistent' },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let err = '';
  child.stderr.on('data', (text: Buffer) => {
    err += text.toString();
  });
  const answer = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    return done === true ? undefined : (JSON.parse(value) as unknown);
  };
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, err }));
  return { child, answer, ended };
}

async function validCase(id: number): Promise<string> {
  const [anchor, intermediate, leaf] = await Promise.all(
    ['root.pem', 'sub.pem', 'chain.pem'].map((name) => readFile(`${vectors}${name}`, 'utf8')),
  );
  const sent = { id, anchors: [anchor], intermediates: [intermediate], leaf, time: '2026-06-01T00:00:00Z' };
  return `${JSON.stringify(sent)}\n`;
}

test('each answer comes while the next case is not there yet, and the end of input is the end', async () => {
  const { child, answer, ended } = start();
  for (const id of [1, 2, 3]) {
    child.stdin.write(await validCase(id));
    expect(await answer()).toMatchObject({ id, valid: true });
  }
  child.stdin.end('{');
  expect(await answer()).toMatchObject({ id: null, valid: false, reason: 'malformed' });
  expect(await answer()).toBeUndefined();
  expect(await ended).toEqual({ code: 0, err: '4 cases: 3 valid, 1 not.\n' });
}, 60_000);

test('an interrupt ends it', async () => {
  const { child, answer, ended } = start();
  child.stdin.write(await validCase(1));
  expect(await answer()).toMatchObject({ id: 1, valid: true });
  child.kill('SIGINT');
  expect(await ended).toEqual({ code: 1, err: 'Interrupted.\n' });
}, 60_000);
