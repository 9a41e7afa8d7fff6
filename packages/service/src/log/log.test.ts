import { generateKeyPairSync, createSecretKey } from 'node:crypto';
import { Secret } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { manualClock } from '../clock/index.ts';
import { SallyportError } from '../errors/index.ts';
import { createLogger, isSecretName, memoryDestination, redact, type LogLevel } from './index.ts';

const canary = 'canary-7f3a9c';
const canaryBytes = (): Uint8Array => new TextEncoder().encode(canary);
const encodings = [
  canary,
  Buffer.from(canary).toString('hex'),
  Buffer.from(canary).toString('base64'),
  canaryBytes().join(','),
];
const clock = manualClock(Date.UTC(2026, 10, 22, 10, 11, 12, 345));

function logger(level: LogLevel = 'trace', maxLineBytes?: number) {
  const destination = memoryDestination();
  const log = createLogger({
    service: 'gateway',
    level,
    destination,
    clock,
    ...(maxLineBytes === undefined ? {} : { maxLineBytes }),
  });
  return { log, destination };
}

const jwt = `eyJhbGciOiJub25lIn0.${Buffer.from(canary).toString('base64url')}.sig`;
const pem = `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`;
class Holder {
  readonly inner = new Secret(canaryBytes());
}
class JsonParseFailure {
  static make(): unknown {
    try {
      return JSON.parse(`${canary} {`);
    } catch (error) {
      return error;
    }
  }
}
const leaky = Object.assign(new Error('failed'), { parameters: [canary], request: { body: canary } });

describe('a canary never reaches the line', () => {
  const ways: readonly [string, () => unknown][] = [
    ['a Secret', () => new Secret(canaryBytes())],
    ['a Secret inside an instance', () => new Holder()],
    ['a Secret in a list in a map', () => new Map([['a', [new Secret(canaryBytes())]]])],
    ['a Uint8Array', () => canaryBytes()],
    ['a Buffer', () => Buffer.from(canary)],
    ['an ArrayBuffer', () => canaryBytes().buffer],
    ['a DataView', () => new DataView(canaryBytes().buffer as ArrayBuffer)],
    ['a secret KeyObject', () => createSecretKey(canaryBytes())],
    ['a private KeyObject', () => generateKeyPairSync('ed25519').privateKey],
    ['a password', () => ({ password: canary })],
    ['a deep password', () => ({ a: [{ b: { userPassword: canary } }] })],
    ['an authorization header', () => ({ headers: { Authorization: canary } })],
    ['a cookie', () => ({ 'set-cookie': [canary] })],
    ['a psk', () => ({ psk: canary })],
    ['a private key by name', () => ({ private_key: canary, privateKeyPem: canary })],
    ['a session key', () => ({ sessionKey: { k: canary } })],
    ['an API key', () => ({ 'x-api-key': canary })],
    ['a plaintext', () => ({ plaintext: canary })],
    ['a map with a password', () => new Map([['password', canary]])],
    ['a PEM private key in text', () => `key: ${pem}`],
    ['a PEM private key cut short', () => pem.slice(0, 45)],
    ['a bearer token in text', () => `header was Bearer ${canary}`],
    ['basic credentials in text', () => `basic ${canary}`],
    ['a signed token in text', () => `got ${jwt}`],
    ['credentials in a URL text', () => `postgres://user:${canary}@host/db`],
    [
      'a URL object with credentials and query',
      () => new URL(`https://u:${canary}@h/p?token=${canary}#${canary}`),
    ],
    ['a message that quotes its input', () => JsonParseFailure.make()],
    ['an error with data on it', () => leaky],
    ['an error with a secret in its cause', () => new Error('outer', { cause: leaky })],
    ['errors within an error', () => new AggregateError([new Error(`bad "${canary}"`)], 'many')],
    ['a message posing as a frame', () => new Error(`x\n    at ${canary}`.replace(canary, `'${canary}'`))],
    ['a function', () => () => canary],
    ['a symbol', () => Symbol(canary)],
  ];
  test.each(ways)('%s', (_, make) => {
    const { log, destination } = logger();
    log.error('something happened', { value: make(), error: make() });
    log.child({ value: make() }).info('again');
    expect(destination.lines).toHaveLength(2);
    for (const line of destination.lines) for (const form of encodings) expect(line).not.toContain(form);
  });

  test('as a field by name', () => {
    const { log, destination } = logger();
    log.info('x', { password: canary, apiKey: canary });
    expect(destination.records()[0]).toMatchObject({ password: '[secret]', apiKey: '[secret]' });
  });
});

describe('what is worth reading stays', () => {
  const kept: readonly [unknown, unknown][] = [
    [1n, '1'],
    [Number.NaN, 'NaN'],
    [undefined, null],
    [new Uint8Array(3), '[bytes 3]'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), '[no date]'],
    [new Set([1, 'a']), [1, 'a']],
    [
      { sessionKeyId: 'k1', secretFile: '/x', tokenCount: 3 },
      { sessionKeyId: 'k1', secretFile: '/x', tokenCount: 3 },
    ],
    [
      { principal: 'user:alice', seq: 3 },
      { principal: 'user:alice', seq: 3 },
    ],
    [new URL('https://u:p@host:1/path?q#h'), 'https://host:1/path'],
  ];
  test.each(kept)('%o', (value, expected) => {
    expect(redact(value)).toEqual(expected);
  });

  test('an error keeps name, message, codes, frames and cause', () => {
    const error = new SallyportError('denied', 'not "yours"', { cause: new TypeError('inner') });
    const shown = redact(error);
    expect(JSON.stringify(shown)).toMatch(/"stack":\["at .*log\.test\.ts:\d+:\d+/);
    expect(shown).toMatchObject({
      name: 'SallyportError',
      message: 'not "yours"',
      reason: 'denied',
      cause: { name: 'TypeError', message: 'inner' },
    });
  });

  test.each([
    ['password', true],
    ['PASSWORD', true],
    ['pass_word', true],
    ['clientSecret', true],
    ['pskId', false],
    ['key', false],
    ['keyId', false],
    ['sequence', false],
  ])('the name %s is secret: %s', (name, expected) => {
    expect(isSecretName(name)).toBe(expected);
  });
});

describe('redaction is total', () => {
  test('cycles, depth, width, length and hostile getters are bounded', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    let deep: unknown = 'bottom';
    for (let level = 0; level < 1000; level += 1) deep = { deep };
    const hostile = {
      get value(): never {
        throw new Error(canary);
      },
    };
    const proxy = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error(canary);
        },
      },
    );
    const shown = JSON.stringify(
      redact({ cycle, deep, wide: Array.from({ length: 500 }), hostile, proxy, long: 'x'.repeat(1e6) }),
    );
    expect(shown.length).toBeLessThan(10_000);
    for (const sign of ['[circular]', '[too deep]', '400 more', '[unreadable]', '1000000 characters']) {
      expect(shown).toContain(sign);
    }
  });

  test('the same value twice is not a cycle', () => {
    const shared = { a: 1 };
    expect(redact([shared, shared])).toEqual([{ a: 1 }, { a: 1 }]);
  });

  test('any value becomes JSON', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true, withDate: true }),
        (value) => {
          expect(() => JSON.stringify(redact(value))).not.toThrow();
        },
      ),
    );
  });
});

describe('lines', () => {
  test('are one JSON object with level, time, service and message', () => {
    const { log, destination } = logger();
    log.warn('slow', { ms: 12 });
    expect(destination.lines[0]?.endsWith('\n')).toBe(true);
    expect(destination.records()).toEqual([
      { level: 'warn', time: '2026-11-22T10:11:12.345Z', service: 'gateway', ms: 12, message: 'slow' },
    ]);
  });

  test('below the level nothing is written', () => {
    const { log, destination } = logger('warn');
    log.info('quiet');
    log.warn('loud');
    expect(destination.lines).toHaveLength(1);
    const silent = logger('silent');
    silent.log.fatal('no');
    expect(silent.destination.lines).toEqual([]);
  });

  test('children add fields, and theirs are redacted too', () => {
    const { log, destination } = logger();
    log.child({ traceId: 't', token: canary }).child({ spanId: 's' }).info('x');
    expect(destination.records()[0]).toMatchObject({ traceId: 't', spanId: 's', token: '[secret]' });
  });

  test('a field cannot pose as one of the standard ones', () => {
    const { log, destination } = logger();
    log.info('real', { level: 'fatal', time: 'never', service: 'other', message: 'fake' });
    expect(destination.records()[0]).toMatchObject({
      level: 'info',
      service: 'gateway',
      message: 'real',
      level_: 'fatal',
    });
  });

  test('a line break in a value stays inside its line', () => {
    const { log, destination } = logger();
    log.info('x', { value: 'a\n{"level":"fatal"}' });
    expect(destination.lines.join('').match(/\n/g)).toHaveLength(1);
  });

  test('one that is too long keeps what finds it', () => {
    const { log, destination } = logger('info', 500);
    log.child({ traceId: 't' }).info('big', { value: 'ä'.repeat(400) });
    expect(Buffer.byteLength(destination.lines[0] ?? '')).toBeLessThanOrEqual(500);
    expect(destination.records()[0]).toEqual({
      level: 'info',
      time: '2026-11-22T10:11:12.345Z',
      service: 'gateway',
      traceId: 't',
      message: 'big',
      truncated: true,
    });
  });
});
