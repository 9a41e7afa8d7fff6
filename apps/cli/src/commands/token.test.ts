/** `token` from its arguments to its output, with a session that a test plays. */
import { createPrivateKey, type JsonWebKey } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { ChannelError, type Channel } from '@sallyport/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CommandFailed, UsageError } from '../exit.ts';
import { createOutput } from '../output.ts';
import { systemPorts, type SendPorts } from '../send/ports.ts';
import { locateHome } from '../state/home.ts';
import { readProofKey } from '../token/proof-key.ts';
import { addTokenCommands } from './token.ts';

const TOKEN = 'eyJhbGciOiJFZERTQSJ9.e30.c2ln';
const GOOD = {
  access_token: TOKEN,
  token_type: 'Bearer',
  expires_in: 600,
  scope: 'context:read context:call',
};
const PSK = {
  principal: 'workload:batch',
  pskId: '1d'.repeat(16),
  psk: Buffer.alloc(32, 9).toString('base64url'),
};

let folder: string;
let pskFile: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-token-'));
  pskFile = join(folder, 'batch.json');
  await writeFile(pskFile, JSON.stringify(PSK));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type World = { answer?: unknown; fail?: ChannelError; json?: boolean; input?: string };

async function token(args: readonly string[], world: World = {}) {
  const ran = { out: '', err: '', error: undefined as unknown, asked: [] as unknown[] };
  const channel = {
    principal: 'workload:batch',
    request: async (destination: string, body: Uint8Array) => {
      ran.asked.push([destination, JSON.parse(Buffer.from(body).toString())]);
      if (world.fail !== undefined) throw world.fail;
      const answer = new TextEncoder().encode(JSON.stringify(world.answer ?? GOOD));
      return { contentType: 'application/json', body: answer, correlation: 'c0' };
    },
    [Symbol.asyncDispose]: async () => undefined,
  } as unknown as Channel;
  const ports: SendPorts = {
    ...systemPorts,
    openChannel: async () => channel,
    openInput: async () => ({
      source: (async function* () {
        yield new TextEncoder().encode(world.input ?? '');
      })(),
      totalBytes: undefined,
    }),
  };
  const output = createOutput({
    json: world.json === true,
    out: { write: (text: string | Uint8Array) => (ran.out += Buffer.from(text as string).toString()) },
    err: { write: (text: string | Uint8Array) => (ran.err += Buffer.from(text as string).toString()) },
  });
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addTokenCommands(
    program,
    (work) =>
      async (...given) => {
        const command = given.at(-1) as Command;
        const signal = new AbortController().signal;
        const home = locateHome({}, { home: folder });
        const options: unknown = command.opts();
        const strings = given.slice(0, -2) as string[];
        await work({ home, as: 'admin', output, env: {}, signal }, options as never, ...strings);
      },
    ports,
  );
  await program
    .parseAsync(['token', ...args], { from: 'user' })
    .catch((error: unknown) => (ran.error = error));
  return ran;
}

const batch = (): string[] => ['--psk', pskFile];

describe('getting one', () => {
  test('--json prints exactly what programs expect', async () => {
    const { out, error } = await token(batch(), { json: true });
    expect(error).toBeUndefined();
    expect(JSON.parse(out)).toStrictEqual({ access_token: TOKEN, token_type: 'Bearer', expires_in: 600 });
  });

  test('without it the token alone is the output, and the rest is a remark', async () => {
    const { out, err } = await token(batch());
    expect(out).toBe(`${TOKEN}\n`);
    expect(err).toBe('Good for 600 s as workload:batch: context:read context:call\n');
  });

  test('the word `get` may stand there', async () => {
    expect((await token(['get', ...batch()])).out).toBe(`${TOKEN}\n`);
  });

  test('what is not said is left to the gateway', async () => {
    expect((await token(batch())).asked).toEqual([['sallyport.token', { lifetime_seconds: 600 }]]);
  });

  test('audiences, scopes and lifetime', async () => {
    const args = [
      '--audience',
      'a',
      '--audience',
      'https://gw.test/mcp',
      '--scope',
      'context:read',
      '--lifetime',
      '30s',
    ];
    expect((await token([...args, ...batch()])).asked).toEqual([
      [
        'sallyport.token',
        { audience: ['a', 'https://gw.test/mcp'], scopes: ['context:read'], lifetime_seconds: 30 },
      ],
    ]);
  });

  test.each(['', '0', '11m', '601', '1h', '-1', '5.5m', 'soon'])(
    '--lifetime %j is wrong',
    async (lifetime) => {
      const { error, asked } = await token([`--lifetime=${lifetime}`, ...batch()]);
      expect(error).toBeInstanceOf(UsageError);
      expect(asked).toEqual([]);
    },
  );

  test('--as and --psk are not both', async () => {
    expect((await token(['--as', 'alice', ...batch()])).error).toBeInstanceOf(UsageError);
  });

  test.each([
    ['invalid_target', 'audience: 1 to 64 of …', /No token \(invalid_target\).*modelContext\.servers/u],
    ['invalid_request', 'bearer tokens are not allowed here: … (dpop_jkt)', /Give --dpop <file>/u],
    ['invalid_grant', 'the session is over', /No token \(invalid_grant\): the session is over\.$/u],
  ])('a refusal (%s) is told in the gateway’s words', async (error, description, text) => {
    const ran = await token(batch(), { answer: { error, error_description: description } });
    expect(ran.error).toBeInstanceOf(CommandFailed);
    expect(ran.error).toMatchObject({
      message: expect.stringMatching(text) as string,
      details: { code: error },
    });
    expect(ran.out).toBe('');
  });

  test('a gateway without a door', async () => {
    const fail = new ChannelError('refusal', 'unknown_destination', 'there is no route');
    expect((await token(batch(), { fail })).error).toMatchObject({
      message: 'This gateway has no Model Context Protocol door, so there are no access tokens.',
    });
  });

  test.each([{}, [], 7, { access_token: TOKEN }, { ...GOOD, access_token: 7 }])(
    'an answer that is none: %j',
    async (answer) => {
      expect((await token(batch(), { answer })).error).toMatchObject({ details: { code: 'malformed' } });
    },
  );
});

describe('the key of a bound token', () => {
  test('is made when it is not there, for its owner only, and used again', async () => {
    const file = join(folder, 'made.jwk');
    const answer = { ...GOOD, token_type: 'DPoP' };
    const first = await token(['--dpop', file, ...batch()], { answer });
    expect(first.err).toContain(`Made the private key ${file}.`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const jwk = JSON.parse(await readFile(file, 'utf8')) as JsonWebKey;
    expect(createPrivateKey({ key: jwk, format: 'jwk' }).asymmetricKeyType).toBe('ec');
    const second = await token(['--dpop', file, ...batch()], { answer });
    expect(second.err).not.toContain('Made');
    expect(second.asked).toEqual(first.asked);
    expect(first.asked).toEqual([
      [
        'sallyport.token',
        { dpop_jkt: expect.stringMatching(/^[\w-]{43}$/u) as string, lifetime_seconds: 600 },
      ],
    ]);
  });

  test('has the thumbprint of RFC 8037 appendix A.3', async () => {
    const file = join(folder, 'rfc8037.jwk');
    const jwk = {
      kty: 'OKP',
      crv: 'Ed25519',
      d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    };
    await writeFile(file, JSON.stringify(jwk), { mode: 0o600 });
    expect(await readProofKey(file)).toEqual({
      thumbprint: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
      isNew: false,
    });
  });

  test('that others can read is refused', async () => {
    const file = join(folder, 'open.jwk');
    await readProofKey(file);
    await chmod(file, 0o644);
    expect((await token(['--dpop', file, ...batch()])).error).toMatchObject({
      message: expect.stringContaining(`chmod 600 ${file}`) as string,
    });
  });

  test.each([
    ['no JSON', 'secret-canary'],
    ['a public key', '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'],
    ['another curve', '{"kty":"EC","crv":"P-384","d":"secret-canary","x":"AA","y":"AA"}'],
  ])('that is %s is refused and not quoted', async (_name, content) => {
    const file = join(folder, 'bad.jwk');
    await rm(file, { force: true });
    await writeFile(file, content, { mode: 0o600 });
    const { error } = await token(['--dpop', file, ...batch()]);
    expect(error).toBeInstanceOf(CommandFailed);
    expect((error as Error).message).not.toContain('secret-canary');
  });
});

describe('a token that is given', () => {
  test.each([
    ['inspect', 'nonsense', undefined],
    ['revoke', 'a.b', undefined],
    ['inspect', '-', 'secret-canary'],
    ['inspect', '-', '{"access_token":7}'],
    ['inspect', '-', 'x'.repeat(20_000)],
  ])(
    '%s %s: what is none is refused before anybody is asked, and not quoted',
    async (command, given, input) => {
      const { error } = await token([command, given], input === undefined ? {} : { input });
      expect(error).toBeInstanceOf(UsageError);
      expect((error as Error).message).not.toContain('canary');
    },
  );

  test('goes to auth-service: by itself, from standard input, or as `token --json` printed it', async () => {
    for (const [given, input] of [
      [TOKEN, ''],
      ['-', `${TOKEN}\n`],
      ['-', JSON.stringify({ access_token: TOKEN, token_type: 'Bearer', expires_in: 600 })],
    ] as const)
      // There is no state folder behind this test: that is the next thing to be missed.
      expect((await token(['inspect', given], { input })).error).toMatchObject({
        message: expect.stringContaining('There is no trust root') as string,
      });
  });
});
