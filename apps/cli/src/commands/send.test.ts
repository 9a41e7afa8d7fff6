/** `send` from its arguments to its output, with a session that a test plays. */
import { Command } from 'commander';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChannelError, type Channel } from '@sallyport/client';
import { systemClock } from '@sallyport/service/clock';
import { createDevelopmentCa, issue } from '@sallyport/service/identity';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CommandFailed, UsageError } from '../exit.ts';
import { createOutput } from '../output.ts';
import { systemPorts, type SendPorts } from '../send/ports.ts';
import { locateHome } from '../state/home.ts';
import { addSendCommand } from './send.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const PSK = {
  principal: 'workload:batch',
  pskId: '1d'.repeat(16),
  psk: Buffer.alloc(32, 9).toString('base64url'),
};
let folder: string;
let pskFile: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-send-'));
  pskFile = join(folder, 'batch.json');
  await writeFile(pskFile, JSON.stringify(PSK));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Ran = { out: string; err: string; error: unknown; sent: string[] };
type World = {
  answer?: Channel['request'];
  input?: string;
  json?: boolean;
  toTerminal?: boolean;
  asDefault?: boolean;
};

async function send(args: readonly string[], world: World = {}): Promise<Ran> {
  const ran: Ran = { out: '', err: '', error: undefined, sent: [] };
  const request: Channel['request'] = async (destination, body, options) => {
    ran.sent.push(Buffer.from(body).toString());
    if (world.answer !== undefined) return world.answer(destination, body, options);
    return { contentType: options?.contentType ?? '', body, correlation: 'c0' };
  };
  const channel = {
    principal: 'user:alice',
    sessionId: '5e',
    closedBy: undefined,
    isRenewalDue: false,
    request,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  } as unknown as Channel;
  const ports: SendPorts = {
    now: () => performance.now(),
    openChannel: async () => channel,
    async openInput(path) {
      if (path !== '-') return systemPorts.openInput(path);
      async function* whole(): AsyncGenerator<Uint8Array> {
        yield bytes(world.input ?? '');
      }
      return { source: whole(), totalBytes: undefined };
    },
  };
  const output = createOutput({
    json: world.json === true,
    out: {
      write: (text: string | Uint8Array) => (ran.out += Buffer.from(text as string).toString()),
      isTTY: world.toTerminal === true,
    },
    err: { write: (text: string | Uint8Array) => (ran.err += Buffer.from(text as string).toString()) },
  });
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addSendCommand(
    program,
    (work) =>
      async (...given) => {
        const command = given.at(-1) as Command;
        const context = {
          home: locateHome({}, { home: folder }),
          as: 'admin',
          output,
          env: {},
          signal: new AbortController().signal,
        };
        const options: unknown = command.opts();
        await work(context, options as never, ...(given.slice(0, -2) as string[]));
      },
    ports,
  );
  const credential = world.asDefault === true ? [] : ['--psk', pskFile];
  await program
    .parseAsync(['send', ...args, ...credential], { from: 'user' })
    .catch((error: unknown) => (ran.error = error));
  return ran;
}

describe('one message', () => {
  test('the response is the output, to the byte', async () => {
    const body = '{"b":12345678901234567890}';
    expect(await send(['echo', body])).toMatchObject({ out: body, err: '', error: undefined, sent: [body] });
  });
  test('to a terminal it is indented, but for numbers that would lose digits', async () => {
    expect((await send(['echo', '{"a":1}'], { toTerminal: true })).out).toBe('{\n  "a": 1\n}\n');
    expect((await send(['echo', '{"a":12345678901234567890}'], { toTerminal: true })).out).toBe(
      '{"a":12345678901234567890}\n',
    );
  });
  test('standard input as a whole', async () => {
    expect((await send(['echo', '-'], { input: '{"a":\n1}' })).sent).toEqual(['{"a":\n1}']);
  });
  test('--json tells everything', async () => {
    expect(JSON.parse((await send(['echo', '{"a":1}'], { json: true })).out)).toEqual({
      destination: 'echo',
      correlation: 'c0',
      sessionId: '5e',
      contentType: 'application/json',
      response: { a: 1 },
    });
  });
  test('--json gives what is not JSON as base64', async () => {
    const ran = await send(['echo', 'text', '--content-type', 'text/plain'], { json: true });
    expect(JSON.parse(ran.out)).toMatchObject({ response: Buffer.from('text').toString('base64') });
  });
  test('a refusal says what the gateway said and what to do next', async () => {
    const answer = (): never => {
      throw new ChannelError('refusal', 'denied', 'user:alice may not send to "echo"');
    };
    const { error } = await send(['echo', '1'], { answer });
    expect(error).toBeInstanceOf(CommandFailed);
    expect((error as Error).message).toContain('user:alice may not send');
    expect((error as Error).message).toContain('sallyport policy check user:alice message.send echo');
  });
});

describe('usage', () => {
  test.each([
    ['nothing to send', ['echo']],
    ['a message that is not JSON', ['echo', '{oops']],
    ['a message and a file', ['echo', '{}', '--file', 'x']],
    ['--ndjson without -', ['echo', '{}', '--ndjson']],
    ['--out for a single message', ['echo', '{}', '--out', 'x']],
    ['--stop-on-error for a single message', ['echo', '{}', '--stop-on-error']],
    ['--in-flight 0', ['echo', '{}', '--in-flight', '0']],
    ['--batch 257', ['echo', '{}', '--batch', '257']],
    ['--timeout soon', ['echo', '{}', '--timeout', 'soon']],
    ['an empty destination', ['', '{}']],
    ['a content type with a line break', ['echo', '{}', '--content-type', 'a\nb']],
    ['--as and --psk', ['echo', '{}', '--as', 'alice']],
    ['--certificate without its key', ['echo', '{}', '--certificate', 'leaf.pem']],
    ['--certificate and --psk', ['echo', '{}', '--certificate', 'leaf.pem', '--key', 'leaf.key']],
  ])('%s', async (_name, args) => {
    const { error, sent } = await send(args);
    expect(error).toBeInstanceOf(UsageError);
    expect(sent).toEqual([]);
  });
});

describe('credentials that cannot be used', () => {
  test.each([
    ['missing', undefined],
    ['not JSON', 'secret-psk-text'],
    ['a key of 31 bytes', JSON.stringify({ ...PSK, psk: Buffer.alloc(31).toString('base64url') })],
    ['an id of 15 bytes', JSON.stringify({ ...PSK, pskId: '1d'.repeat(15) })],
    ['null', 'null'],
  ])('%s: says what to do, without a byte of it', async (name, content) => {
    const file = join(folder, `${name.replaceAll(' ', '-')}.json`);
    if (content !== undefined) await writeFile(file, content);
    const { error, sent } = await send(['echo', '{}', '--psk', file], { asDefault: true });
    expect(error).toBeInstanceOf(CommandFailed);
    expect((error as Error).message).toContain('sallyport psk create');
    expect((error as Error).message).not.toContain('secret');
    expect(sent).toEqual([]);
  });
});

describe('a certificate of another authority', () => {
  const issued = async (name: string, keyAlgorithm: 'Ed25519' | 'P-256') => {
    const ca = await createDevelopmentCa({ trustDomain: 'partner.example', clock: systemClock() });
    const spiffeId = 'spiffe://partner.example/workload/seven';
    const usages = ['client'] as const;
    const { certPem, key } = await issue({ ca, clock: systemClock(), spiffeId, keyAlgorithm, usages });
    const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
    await writeFile(files.certificate, certPem);
    await writeFile(files.key, key.export({ format: 'pem', type: 'pkcs8' }));
    return files;
  };
  const by = (certificate: string, key: string) =>
    send(['echo', '{}', '--certificate', certificate, '--key', key], { asDefault: true });

  test('is as good as one of the state folder', async () => {
    const { certificate, key } = await issued('good', 'Ed25519');
    expect(await by(certificate, key)).toMatchObject({ error: undefined, sent: ['{}'] });
  });

  test('that cannot be used: says so, without a byte of it', async () => {
    const [one, other, slow] = await Promise.all([
      issued('one', 'Ed25519'),
      issued('other', 'Ed25519'),
      issued('slow', 'P-256'),
    ]);
    const text = join(folder, 'secret.key');
    await writeFile(text, 'secret-key-text');
    for (const [certificate, key, says] of [
      [join(folder, 'nowhere.pem'), one.key, 'nowhere.pem is no certificate'],
      [text, one.key, 'secret.key is no certificate'],
      [one.certificate, join(folder, 'nowhere.key'), 'nowhere.key is no private key'],
      [one.certificate, text, 'secret.key is no private key'],
      [one.certificate, other.key, 'is not the key of'],
      [slow.certificate, slow.key, 'signs with Ed25519'],
    ] as const) {
      const { error, sent } = await by(certificate, key);
      expect(error).toBeInstanceOf(CommandFailed);
      expect((error as Error).message).toContain(says);
      expect((error as Error).message).not.toContain('secret-key');
      expect(sent).toEqual([]);
    }
  });
});

describe('a file', () => {
  test('counts at the end, and each response in --out', async () => {
    const file = join(folder, 'in.ndjson');
    const out = join(folder, 'out.ndjson');
    await writeFile(file, '{"n":1}\nnot json\n{"n":12345678901234567890}\n');
    const ran = await send(['echo', '--file', file, '--out', out], { json: true });
    expect(JSON.parse(ran.out)).toMatchObject({ lines: 3, sent: 2, succeeded: 2, failed: 1, refused: {} });
    expect(ran.err).toContain('Line 2');
    expect(ran.error).toBeInstanceOf(CommandFailed);
    const lines = (await readFile(out, 'utf8')).trimEnd().split('\n').toSorted();
    expect(lines.filter((line) => line.includes('"ok":true')).length).toBe(2);
    expect(lines.some((line) => line.includes('"response":{"n":12345678901234567890}'))).toBe(true);
    expect(lines.some((line) => line.includes('"line":2,"ok":false'))).toBe(true);
  });
  test('all well: no error', async () => {
    const ran = await send(['echo', '-', '--ndjson'], { input: '1\n2\n3\n' });
    expect(ran.error).toBeUndefined();
    expect(ran.out).toMatch(/^sent {7}3\nsucceeded {2}3\n/u);
  });
  test('a refusal is explained once, and counted by code', async () => {
    const answer = (): never => {
      throw new ChannelError('refusal', 'denied', 'no');
    };
    const ran = await send(['echo', '-', '--ndjson'], { input: '1\n2\n3\n', answer });
    expect(ran.err.match(/Refused/gu)?.length).toBe(1);
    expect(ran.out).toContain('refused    3 (denied 3)');
  });
  test.each([
    ['a file that is not there', ['--file', '/nowhere/at/all']],
    ['a folder', ['--file', '/']],
    ['an output that cannot be', ['--file', '/dev/null', '--out', '/nowhere/at/all']],
  ])('%s', async (_name, args) => {
    expect((await send(['echo', ...args])).error).toBeInstanceOf(CommandFailed);
  });
});
