/** Every parser is total: right on what its encoder made, an error on anything cut, longer or made of noise. */
import { concatBytes, randomBytes } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeAcceptStart, parseAccept } from '../src/accept.ts';
import { parseAlert, encodeAlert } from '../src/alert.ts';
import { encodeBinding, parseBinding } from '../src/binding.ts';
import { encodeCredential, parseClientAuth } from '../src/client-auth.ts';
import { encodeClientHello, parseClientHello } from '../src/client-hello.ts';
import { encodeControl, parseControl, type Control } from '../src/control.ts';
import { parseFrame } from '../src/frame.ts';
import { DEFAULT_LIMITS, type RefusalCode } from '../src/index.ts';
import { encodeRefusal, parseRefusal, REFUSAL } from '../src/refusal.ts';
import { parseServerAuth, parseServerHelloClear, encodeServerHelloClear } from '../src/server-hello.ts';
import { lp16, lp8 } from '../src/wire.ts';
import { binding } from './frames.ts';
import { ok } from './world.ts';

const accept = {
  sessionKey: new Uint8Array(32).fill(1),
  binding: { bytes: encodeBinding(binding), keyId: 'binding-1', signature: new Uint8Array(64) },
  limits: DEFAULT_LIMITS,
  lease: { notAfterMs: 5 },
};
const clientHello = {
  versions: [1],
  kex: [{ id: 0x1d, share: new Uint8Array(32).fill(3) }],
  aead: [2, 1],
  signature: [0x0807],
  channelBindings: [1, 0],
  method: 2,
  pskId: new Uint8Array(16).fill(4),
  nonce: new Uint8Array(32).fill(5),
  timeMs: 1_800_000_000_123,
};
const serverHello = {
  version: 1,
  kex: 0x1d,
  share: new Uint8Array(32).fill(3),
  aead: 2,
  signature: 0x0807,
  channelBinding: 0,
  nonce: new Uint8Array(32).fill(5),
  timeMs: 1_800_000_000_123,
  sid: new Uint8Array(16).fill(6),
};
const ack: Control = {
  kind: 'ack',
  receivedThrough: 90,
  lost: 2,
  gatewayTimeMs: 1_800_000_000_000,
  missing: [
    { first: 3, count: 4 },
    { first: 8, count: 1 },
  ],
};
const refusal = { code: 'denied' as const, retryAfterMs: 250, detail: 'müde' };

const parsers: readonly (readonly [
  string,
  Uint8Array,
  (bytes: Uint8Array) => { readonly ok: boolean },
  unknown,
])[] = [
  ['ClientHello', encodeClientHello(clientHello), parseClientHello, clientHello],
  ['Accept', Uint8Array.of(...encodeAcceptStart(accept), ...new Uint8Array(32)), parseAccept, { accept }],
  ['binding', encodeBinding(binding), parseBinding, binding],
  ['refusal', encodeRefusal(refusal), parseRefusal, refusal],
  ['ack', encodeControl(ack), parseControl, { control: ack }],
  [
    'close',
    encodeControl({ kind: 'close', ...refusal }),
    parseControl,
    { control: { kind: 'close', ...refusal } },
  ],
  [
    'finished',
    encodeControl({ kind: 'finished', mac: new Uint8Array(32).fill(8) }),
    parseControl,
    { control: { kind: 'finished', mac: new Uint8Array(32).fill(8) } },
  ],
  ['alert', encodeAlert(undefined, 'busy', 9).subarray(18), parseAlert, { code: 'busy', retryAfterMs: 9 }],
];

describe.each(parsers)('%s', (_name, encoded, parse, value) => {
  it('reads what was written', () => {
    expect(parse(encoded)).toMatchObject({ ok: true, ...Object(value) });
  });

  it('refuses it cut anywhere', () => {
    for (let length = 0; length < encoded.length; length += 1)
      expect(parse(encoded.subarray(0, length)).ok).toBe(false);
  });

  it('refuses a byte more', () => {
    expect(parse(Uint8Array.of(...encoded, 0)).ok).toBe(false);
  });
});

it('the clear part of ServerHello ends where it says', () => {
  const encoded = encodeServerHelloClear(serverHello);
  const parsed = ok(parseServerHelloClear(Uint8Array.of(...encoded, ...randomBytes(40))));
  expect(parsed).toMatchObject({ ...serverHello, length: encoded.length });
  for (let length = 0; length < encoded.length; length += 1) {
    expect(parseServerHelloClear(encoded.subarray(0, length)).ok).toBe(false);
  }
});

describe('noise', () => {
  const all = [...parsers.map(([name, , parse]) => [name, parse] as const), ['frame', parseFrame] as const];
  const more = [
    ['ServerHello', parseServerHelloClear],
    ['the gateway’s proof', parseServerAuth],
    ['ClientAuth', parseClientAuth],
  ] as const;
  it.each([...all, ...more])('never throws in %s', (_name, parse) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (noise) => {
        expect(typeof parse(noise).ok).toBe('boolean');
      }),
      { numRuns: 300 },
    );
  });
});

describe('bindings', () => {
  it.each([
    ['assurance 0', { assurance: 0 }],
    ['assurance 4', { assurance: 4 }],
    ['an end before the beginning', { notBeforeMs: 2, notAfterMs: 1 }],
  ])('with %s are not read', (_name, change) => {
    expect(parseBinding(encodeBinding({ ...binding, ...change }))).toEqual({ ok: false, cause: 'bad_field' });
  });

  it.each([
    ['a short session id', { sid: new Uint8Array(15) }],
    ['an empty principal', { principal: '' }],
    ['a principal with a line feed', { principal: 'user:a\nb' }],
    ['a trust domain of 256 bytes', { trustDomain: 'x'.repeat(256) }],
    ['a fraction of a millisecond', { notAfterMs: 0.5 }],
  ])('with %s are not written', (_name, change) => {
    expect(() => encodeBinding({ ...binding, ...change })).toThrow(RangeError);
  });

  it('of another layout version are not read', () => {
    const encoded = encodeBinding(binding);
    encoded[0] = 2;
    expect(parseBinding(encoded)).toEqual({ ok: false, cause: 'unknown_version' });
  });
});

describe('ClientAuth has exactly the fields of its method', () => {
  const certificate = encodeCredential({ method: 'certificate', chainDer: [Uint8Array.of(1)] });
  const psk = encodeCredential({ method: 'psk' });
  const [key, signature, none] = [
    lp16(new Uint8Array(32)),
    lp16(new Uint8Array(64)),
    lp16(new Uint8Array(0)),
  ];
  const [mac, noMac, finished] = [lp8(new Uint8Array(32)), Uint8Array.of(0), new Uint8Array(32)];
  it.each([
    ['certificate with sig_cred', [certificate, key, signature, signature, noMac], true],
    ['certificate without sig_cred', [certificate, key, none, signature, noMac], false],
    ['certificate with mac_c', [certificate, key, signature, signature, mac], false],
    ['psk with mac_c', [psk, key, none, signature, mac], true],
    ['psk without mac_c', [psk, key, none, signature, noMac], false],
    ['psk with sig_cred', [psk, key, signature, signature, mac], false],
    ['psk with a chain', [Uint8Array.of(2, ...certificate.subarray(1)), key, none, signature, mac], false],
    ['an unknown method', [Uint8Array.of(3, 0, 0), key, none, signature, mac], false],
    ['a chain of none', [Uint8Array.of(1, 0, 1, 0), key, signature, signature, noMac], false],
    ['a chain of five', [Uint8Array.of(1, 0, 1, 5), key, signature, signature, noMac], false],
    ['a mac_c of 31 bytes', [psk, key, none, signature, lp8(new Uint8Array(31))], false],
  ])('%s', (_name, fields, isRead) => {
    expect(parseClientAuth(concatBytes(...fields, finished)).ok).toBe(isRead);
  });
});

describe('control', () => {
  it.each([0, 3, 5, 255])('type %i is refused', (type) => {
    expect(parseControl(Uint8Array.of(type, 1, 2, 3))).toEqual({ ok: false, cause: 'unknown_type' });
  });

  it.each([
    [
      'overlap',
      [
        { first: 3, count: 4 },
        { first: 5, count: 1 },
      ],
    ],
    [
      'touch',
      [
        { first: 3, count: 4 },
        { first: 7, count: 1 },
      ],
    ],
    [
      'go down',
      [
        { first: 8, count: 1 },
        { first: 3, count: 1 },
      ],
    ],
    ['are empty', [{ first: 3, count: 0 }]],
    ['reach the highest', [{ first: 89, count: 2 }]],
    ['begin at 0', [{ first: 0, count: 1 }]],
  ])('ranges that %s are refused', (_name, missing) => {
    expect(parseControl(encodeControl({ ...ack, missing }))).toEqual({ ok: false, cause: 'bad_field' });
  });

  it('33 ranges are neither written nor read', () => {
    const missing = Array.from({ length: 33 }, (_, at) => ({ first: 1 + 2 * at, count: 1 }));
    expect(() => encodeControl({ ...ack, missing })).toThrow(RangeError);
    const forged = encodeControl({ ...ack, missing: [] });
    forged[25] = 33;
    expect(parseControl(forged)).toEqual({ ok: false, cause: 'bad_count' });
  });
});

describe('refusals', () => {
  it.each(Object.keys(REFUSAL) as RefusalCode[])('%s goes there and back', (code) => {
    expect(parseRefusal(encodeRefusal({ ...refusal, code }))).toMatchObject({ code });
  });

  it('of a later version still refuse', () => {
    expect(parseRefusal(Uint8Array.of(0xff, 0xff, 0, 0, 0, 0, 0, 0))).toMatchObject({
      ok: true,
      code: 'internal',
    });
  });

  it('have details of at most 512 bytes of UTF-8', () => {
    expect(() => encodeRefusal({ ...refusal, detail: 'x'.repeat(513) })).toThrow(RangeError);
    expect(parseRefusal(Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1, 0xff))).toEqual({
      ok: false,
      cause: 'bad_field',
    });
  });
});
