/**
 * Secrets and payloads go through every part; then everything that Sallyport wrote is searched for them.
 *
 * Budget: 30 s on two cores: one system at log level trace.
 */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '@sallyport/client';
import { runCommand, type Ran } from '../support/command-line.ts';
import { freePortBase } from '../support/ports.ts';
import { get } from '../support/probes.ts';
import { eventually, startSystem, type Started } from '../support/running-system.ts';
import { openSession } from '../support/session.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { DEVELOPMENT_TRUST_DOMAIN } from '../../src/state/identities.ts';

const START_MS = 90_000;
/** Found again by their bytes, their hex and both base64 alphabets, at any alignment. */
const PAYLOAD = Buffer.from(`canary-payload-${randomBytes(9).toString('hex')}`);
const FAILED_PAYLOAD = Buffer.from(`canary-failed-${randomBytes(9).toString('hex')}`);
const RESPONSE = 'executed';

let home: TemporaryHome;
let upstream: Upstream;
/** An OTLP collector: every span of every service ends here. */
let collector: Upstream;
let system: Started;
let metrics = '';
let psk: Buffer;
let rootKey: Buffer;

const sallyport = (...args: string[]): Promise<Ran> =>
  runCommand(args, { env: { SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) } });

beforeAll(async () => {
  home = await temporaryHome(await freePortBase());
  [upstream, collector] = await Promise.all([startUpstream(), startUpstream()]);
  await writeFile(home.configFile, `telemetry: { otlpUrl: "${collector.url}", samplePercent: 100 }\n`);
  const args = [
    '--route',
    `orders=${upstream.url}`,
    '--route',
    'broken=http://127.0.0.1:1/',
    '--log-level',
    'trace',
  ];
  system = await startSystem(home, { args });

  const pskFile = join(home.folder, 'mine.psk.json');
  expect((await sallyport('psk', 'create', 'workload:batch', '--out', pskFile)).code).toBe(0);
  const made = JSON.parse(await readFile(pskFile, 'utf8')) as { psk: string; pskId: string };
  psk = Buffer.from(made.psk, 'base64url');
  rootKey = await readFile(home.rootKeyFile);

  // Through every way a message can end: answered, refused, without route, upstream away.
  const body = JSON.stringify({ secret: PAYLOAD.toString() });
  const failed = JSON.stringify({ secret: FAILED_PAYLOAD.toString() });
  expect((await sallyport('send', 'echo', body)).code).toBe(0);
  expect((await sallyport('send', 'orders', body, '--psk', pskFile)).code).toBe(0);
  for (const [destination, who] of [
    ['echo', 'guest'],
    ['nowhere', 'admin'],
    ['broken', 'admin'],
  ] as const) {
    expect((await sallyport('send', destination, failed, '--as', who)).code).toBe(1);
  }
  // In the fields beside the payload that are nobody's business either.
  await using session = await openSession(home, 'alice');
  await session.request('echo', PAYLOAD, { contentType: `text/plain; note=${PAYLOAD.toString()}` });
  // A wrong key under a right id, and the right key under another's name.
  const caPem = await readFile(home.caFile, 'utf8');
  const wrong = {
    kind: 'psk',
    pskId: Buffer.from(made.pskId, 'hex'),
    psk: FAILED_PAYLOAD.subarray(0, 32),
    principal: 'workload:batch',
  } as const;
  for (const credential of [wrong, { ...wrong, psk, principal: 'workload:other' }]) {
    const attempt = connect({
      address: `localhost:${home.ports.channel}`,
      trust: { caPem, trustDomain: DEVELOPMENT_TRUST_DOMAIN },
      credential,
      timeoutMs: 5_000,
    });
    await expect(attempt).rejects.toMatchObject({ kind: 'handshake' });
  }
  expect((await sallyport('psk', 'revoke', made.pskId)).code).toBe(0);
  await eventually('every message in the log', async () => {
    const rows = (await sallyport('audit', 'query', '--action', 'message.send', '--json')).json();
    return rows.length >= 6 ? true : undefined;
  });
  metrics = (await get(home.ports.https, '/metrics', caPem)).body;
  expect((await system.stop()).code).toBe(0);
}, START_MS);

afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await Promise.all([upstream[Symbol.asyncDispose](), collector[Symbol.asyncDispose]()]);
  await home[Symbol.asyncDispose]();
}, START_MS);

type Place = { readonly name: string; readonly content: Buffer };

/** Everything that was written by the process, but for what holds credentials by design. */
async function places(): Promise<readonly Place[]> {
  const files: Place[] = [];
  for (const path of await readdir(home.folder, { recursive: true })) {
    const file = join(home.folder, path);
    if (!(await stat(file)).isFile()) continue;
    files.push({ name: path, content: await readFile(file) });
  }
  return [
    ...files,
    { name: 'log', content: Buffer.from(system.err()) },
    { name: 'output', content: Buffer.from(system.out()) },
    { name: 'metrics', content: Buffer.from(metrics) },
    { name: 'spans', content: Buffer.from(collector.requests.map(({ body }) => body).join('\n')) },
  ];
}

/** As it is, as hex, and as base64 at each of the three alignments, without what the neighbours would change. */
function spellings(secret: Uint8Array): readonly Buffer[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return text.slice(shift === 0 ? 0 : shift + 1, -2);
  });
  const url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  const texts = [bytes.toString('hex'), bytes.toString('hex').toUpperCase(), ...base64, ...url];
  return [bytes, ...texts.map((text) => Buffer.from(text))];
}

const find = (secret: Uint8Array, where: readonly Place[]): string[] =>
  where
    .filter(({ content }) => spellings(secret).some((text) => content.includes(text)))
    .map(({ name }) => name);

describe('what was searched', () => {
  test('is everything, and not nothing', async () => {
    const names = (await places()).map(({ name }) => name);
    for (const part of [
      'log',
      'metrics',
      'database/',
      'audit-log/',
      'spool/gateway/',
      'spool/auth-service/',
    ]) {
      expect(
        names.some((name) => name.startsWith(part)),
        part,
      ).toBe(true);
    }
    // Protobuf, whose texts stand as they are.
    expect(collector.requests.map(({ body }) => body).join('')).toMatch(/service\.name[^]*route\.send/u);
    // Level trace was on: a log that says nothing hides nothing.
    expect(system.err().split('\n').length).toBeGreaterThan(5);
    expect(upstream.requests[0]?.body).toContain(PAYLOAD.toString());
  });

  test.each(['as it is', 'hex', 'base64', 'base64url'])(
    'a secret written %s would be found',
    async (spelling) => {
      const secret = randomBytes(32);
      const text =
        spelling === 'as it is'
          ? secret
          : Buffer.from(`{"x":"${secret.toString(spelling as BufferEncoding)}"}`);
      const file = join(home.folder, 'spool', 'planted');
      await writeFile(file, Buffer.concat([Buffer.from('xy'), text]));
      expect(find(secret, await places())).toEqual(['spool/planted']);
    },
  );

  test.each([0, 1, 2])('and at base64 alignment %i', (shift) => {
    const secret = randomBytes(32);
    const content = Buffer.from(
      Buffer.concat([randomBytes(shift), secret, randomBytes(4)]).toString('base64'),
    );
    expect(find(secret, [{ name: 'here', content }])).toEqual(['here']);
  });

  test('what belongs in the records is found in them', async () => {
    const found = find(Buffer.from('message.send'), await places());
    for (const part of ['database/', 'spool/gateway/'])
      expect(
        found.some((name) => name.startsWith(part)),
        part,
      ).toBe(true);
  });
});

describe('nothing of it was kept', () => {
  test('payloads: neither answered nor refused ones', async () => {
    const where = await places();
    expect(find(PAYLOAD, where)).toEqual([]);
    expect(find(FAILED_PAYLOAD, where)).toEqual([]);
  });

  test('responses of upstreams', async () => {
    expect(find(Buffer.from(`{"${RESPONSE}":1}`), await places())).toEqual([]);
  });

  test('a pre-shared key is in the file it was made for, and nowhere else', async () => {
    expect(find(psk, await places())).toEqual(['mine.psk.json']);
  });

  test('the root key is in its file, and nowhere else', async () => {
    expect(find(rootKey, await places())).toEqual(['root.key']);
  });

  test('private keys are in their own files, and nowhere else', async () => {
    const where = await places();
    const keyFiles = where.filter(({ name }) => name.endsWith('key.pem'));
    expect(keyFiles.length).toBeGreaterThan(8);
    for (const { name, content } of keyFiles) {
      const base64 = content.toString().replaceAll(/-----[^-]+-----|\s/gu, '');
      const der = Buffer.from(base64, 'base64');
      // PKCS#8 (RFC 5958): an Ed25519 key ends with its 32 bytes; those of a P-256 key begin at byte 36 (RFC 5915).
      const secret = der.length === 48 ? der.subarray(-32) : der.subarray(36, 68);
      const unwrapped = { name, content: Buffer.from(base64) };
      expect(find(secret, [unwrapped, ...where.filter((place) => place.name !== name)]), name).toEqual([
        name,
      ]);
    }
  });

  test('the log tells no defect', () => {
    expect(system.err()).not.toMatch(/"level":"(?:error|fatal)"|TypeError|UnhandledPromise/u);
  });
});
