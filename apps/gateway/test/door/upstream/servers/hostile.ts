/** A child that keeps to the protocol until it is asked `tools/call`, and then does what its first argument says. */
import { spawn } from 'node:child_process';
import { writeFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

type Incoming = {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: {
    readonly requestId?: unknown;
    readonly name?: string;
    readonly _meta?: Readonly<Record<string, unknown>>;
  };
  readonly result?: unknown;
  readonly error?: unknown;
};

const [, , mode = '', argument = ''] = process.argv;
const MIB = 1024 * 1024;
const say = (message: unknown): boolean => process.stdout.write(`${JSON.stringify(message)}\n`);
const answer = (id: Incoming['id'], result: unknown = {}): boolean => say({ jsonrpc: '2.0', id, result });
const note = (method: string, params: unknown): boolean => say({ jsonrpc: '2.0', method, params });

function flood(piece: string, total: number): void {
  let left = total;
  const more = (): void => {
    while (left > 0) {
      left -= piece.length;
      if (!process.stdout.write(piece)) {
        process.stdout.once('drain', more);
        return;
      }
    }
  };
  more();
}

/** By what `tools/call` does. */
const doings: Readonly<Record<string, (message: Incoming) => void>> = {
  echo: ({ id, params }) => answer(id, { params }),
  hang: () => undefined,
  flood: () =>
    flood(
      `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'x'.repeat(6e4) } })}\n`,
      1024 * MIB,
    ),
  'endless-line': () => flood('x'.repeat(MIB), 1024 * MIB),
  'no-json': ({ id }) => {
    process.stdout.write('Listening on port 3000\n\u001b[31m{"jsonrpc"\n');
    answer(id);
  },
  'only-no-json': () => process.stdout.write('this is no protocol\n'.repeat(100)),
  'never-asked': ({ id }) => {
    answer(4_711);
    answer('1');
    answer(id);
  },
  twice: ({ id }) => {
    answer(id, { first: true });
    answer(id, { second: true });
  },
  exit: () => process.exit(3),
  'exit-mid-answer': ({ id }) => {
    process.stdout.write(`{"jsonrpc":"2.0","id":${String(id)},"result":{"text":"`, () => process.exit(3));
  },
  'last-words': ({ id }) => {
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: { last: true } })}\n`, () =>
      process.exit(0),
    );
  },
  grandchildren: ({ id }) => {
    const sleeper = ['-e', 'setInterval(() => {}, 1000)'];
    const inGroup = spawn(process.execPath, sleeper, { stdio: 'inherit' });
    const apart = spawn(process.execPath, sleeper, { stdio: 'ignore', detached: true });
    answer(id, { pids: [process.pid, inGroup.pid, apart.pid] });
  },
  memory: ({ id }) => {
    const held: Uint8Array[] = [];
    setInterval(() => held.push(new Uint8Array(32 * MIB).fill(1)), 20);
    void id;
  },
  environment: ({ id }) =>
    answer(id, { env: { ...process.env }, cwd: process.cwd(), args: process.argv.slice(2) }),
  /** Answers with how much of it was taken within a second. */
  'stderr-flood': ({ id }) => {
    let bytes = 0;
    const piece = Buffer.from('flood\n'.repeat(10_000));
    const more = (): void => {
      try {
        bytes += writeSync(2, piece);
      } catch {
        // Full: nobody reads.
      }
      setImmediate(more);
    };
    more();
    setTimeout(() => say({ jsonrpc: '2.0', id, result: { bytes } }), 1_000);
  },
  stderr: ({ id }) => {
    process.stderr.write('one\n\u001b[2Jtwo\u202e\n');
    process.stderr.write('flood\n'.repeat(5_000));
    process.stderr.write(`${'long'.repeat(5_000)}\n`);
    setTimeout(() => answer(id), 100);
  },
  progress: ({ id, params }) => {
    const progressToken = params?._meta?.['progressToken'];
    note('notifications/progress', { progressToken, progress: 1 });
    note('notifications/progress', { progressToken, progress: 2 });
    setTimeout(() => answer(id, { name: params?.name }), 50);
  },
  ask: ({ id }) => {
    asking = id;
    say({ jsonrpc: '2.0', id: 'server-1', method: 'sampling/createMessage', params: {} });
  },
  note: ({ id }) => {
    note('notifications/message', { level: 'info', data: 'of the request' });
    answer(id);
    setTimeout(() => note('notifications/tools/list_changed', {}), 20);
  },
  pid: ({ id }) => answer(id, { pid: process.pid }),
  'slow-pid': ({ id }) => void setTimeout(() => answer(id, { pid: process.pid }), 300),
};

let asking: Incoming['id'];
const cancelled: unknown[] = [];

if (mode === 'ignore-sigterm') process.on('SIGTERM', () => undefined);
if (argument !== '' && mode === 'ignore-sigterm') writeFileSync(argument, String(process.pid));
if (argument === 'deaf') setInterval(() => undefined, 1_000);
if (mode === 'dead') {
  writeSync(2, 'no database here\n');
  process.exit(1);
}

const lines = createInterface({ input: process.stdin });
if (mode === 'ignore-sigterm') lines.on('close', () => setInterval(() => undefined, 1_000));
lines.on('line', (line) => {
  if (mode === 'mute') return;
  const message = JSON.parse(line) as Incoming;
  const { id, method } = message;
  if (method === undefined) {
    if (id === 'server-1') answer(asking, { answered: message.result ?? message.error });
  } else if (method === 'initialize') {
    answer(id, {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'hostile', version: '1' },
    });
  } else if (method === 'server/discover' && argument === 'stateless') {
    answer(id, {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: {},
      serverInfo: {},
    });
  } else if (method === 'notifications/cancelled') cancelled.push(message.params?.requestId);
  else if (method === 'ping') answer(id, { cancelled });
  else if (method === 'tools/call') (doings[mode] ?? doings['echo'])?.(message);
  else if (id !== undefined)
    say({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
});
