import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { toBase64url, utf8 } from '@sallyport/crypto';
import { builtInRoles } from '@sallyport/policies';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import type { Pack } from 'tar-stream';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  bind,
  bundleKeys,
  bundleOf,
  bundlePrivateKey,
  contentOf,
  KEY_ID,
  policyWasm,
  signer,
} from '../test/support.ts';
import { packArchive, unpackArchive } from './archive.ts';
import { BUNDLE_BOUNDS, BUNDLE_JWS_TYPE, buildBundle, signedContent } from './bundle.ts';
import type { BundleContent } from './bundle.ts';
import { NO_TOOL_PINS } from './tool-pins.ts';
import type { ToolPin } from './tool-pins.ts';
import { verifyBundle } from './verify-bundle.ts';

type Files = Map<string, Uint8Array>;
type TarHeader = Parameters<Pack['entry']>[0];

let bundle: Uint8Array;
let files: Files;

beforeAll(async () => {
  bundle = await buildBundle(contentOf(), signer);
  const unpacked = await unpackArchive(bundle, BUNDLE_BOUNDS);
  if (!unpacked.ok) throw new Error(unpacked.problem);
  files = new Map(unpacked.files);
});

type Header = Record<string, unknown>;
const HEADER: Header = { alg: 'EdDSA', kid: KEY_ID, typ: BUNDLE_JWS_TYPE };

function jwsOf(content: Uint8Array, header: Header = HEADER, key = bundlePrivateKey): string {
  const input = `${toBase64url(utf8(JSON.stringify(header)))}.${toBase64url(content)}`;
  return `${input}.${toBase64url(new Uint8Array(sign(null, utf8(input), key)))}`;
}

/** `changed` files, signed anew over all of them unless `signatures` says otherwise. */
async function repacked(changed: Record<string, string | Uint8Array | undefined>, signatures?: unknown) {
  const next: Files = new Map(files);
  for (const [name, content] of Object.entries(changed)) {
    if (content === undefined) next.delete(name);
    else next.set(name, typeof content === 'string' ? utf8(content) : content);
  }
  const list = signatures ?? { signatures: [jwsOf(signedContent(next))] };
  if (!('.signatures.json' in changed)) next.set('.signatures.json', utf8(JSON.stringify(list)));
  return packArchive(next);
}

async function tarOf(...entries: [TarHeader, string | Uint8Array][]): Promise<Uint8Array> {
  const archive = pack();
  for (const [header, content] of entries) archive.entry(header, Buffer.from(content));
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return new Uint8Array(gzipSync(Buffer.concat(chunks)));
}

test('what is built verifies to what was put in', async () => {
  const content = contentOf({ revision: 42 });
  const result = await verifyBundle(await buildBundle(content, signer), bundleKeys);
  if (!result.ok) throw new Error(result.problem);
  expect(result.bundle).toMatchObject({ revision: 42, keyId: KEY_ID, roles: builtInRoles });
  expect(result.bundle.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(Buffer.from(result.bundle.wasm).equals(policyWasm)).toBe(true);
  expect(result.bundle.bindings).toHaveLength(content.bindings.length);
});

test('the same content gives the same bytes, in whatever order it came', async () => {
  const { bindings, roles } = contentOf();
  const shuffled = contentOf({
    bindings: bindings.toReversed(),
    roles: Object.fromEntries(Object.entries(roles).toReversed()),
  });
  expect(Buffer.from(await buildBundle(shuffled, signer)).equals(bundle)).toBe(true);
});

test('the digest is of the content: packing anew keeps it, other content changes it', async () => {
  const again = new Uint8Array(gzipSync(gunzipSync(bundle), { level: 1 }));
  const [before, after] = [await verifyBundle(bundle, bundleKeys), await verifyBundle(again, bundleKeys)];
  if (!before.ok || !after.ok) throw new Error('refused');
  expect(Buffer.from(again).equals(bundle)).toBe(false);
  expect(after.bundle.digest).toBe(before.bundle.digest);
  expect((await bundleOf({ revision: 2 })).digest).not.toBe(before.bundle.digest);
});

describe('tool pins', () => {
  const digest = 'ab'.repeat(32);
  const routes = new Map([
    [
      'files',
      new Map<string, ToolPin>([
        ['read', { kind: 'pinned', digest }],
        ['__proto__', { kind: 'unapproved' }],
      ]),
    ],
  ]);

  test('come back as they went in', async () => {
    const pinned = await bundleOf({ toolPins: { mode: 'approve', routes } });
    expect(pinned.toolPins).toEqual({ mode: 'approve', routes });
    expect(pinned.digest).not.toBe((await bundleOf()).digest);
  });

  test('are no file where there are none: a gateway of the release before takes the bundle', async () => {
    expect(Buffer.from(await buildBundle(contentOf({ toolPins: NO_TOOL_PINS }), signer)).equals(bundle)).toBe(
      true,
    );
    expect((await bundleOf()).toolPins).toEqual(NO_TOOL_PINS);
  });

  test('cannot be taken out of a signed bundle, nor put into one', async () => {
    const with_ = await unpackArchive(
      await buildBundle(contentOf({ toolPins: { mode: 'approve', routes } }), signer),
      BUNDLE_BOUNDS,
    );
    if (!with_.ok) throw new Error(with_.problem);
    const without = new Map(with_.files);
    without.delete('tool-pins.json');
    const more = new Map(files).set('tool-pins.json', utf8('{"mode":"first-use","routes":{}}'));
    for (const changed of [without, more]) {
      expect(await verifyBundle(await packArchive(changed), bundleKeys)).toEqual({
        ok: false,
        problem: 'content_mismatch',
      });
    }
  });

  test.each([
    '',
    '[]',
    '{}',
    '{"mode":"first-use"}',
    '{"mode":"never","routes":{}}',
    '{"mode":"approve","routes":[]}',
    '{"mode":"approve","routes":{"Files":{}}}',
    '{"mode":"approve","routes":{"files":[]}}',
    '{"mode":"approve","routes":{"files":{"":""}}}',
    '{"mode":"approve","routes":{"files":{"read":"AB"}}}',
    '{"mode":"approve","routes":{"files":{"read":null}}}',
    '{"mode":"approve","routes":{},"more":1}',
    `{"mode":"approve","routes":{"files":{"${'x'.repeat(256)}":""}}}`,
  ])('signed and out of shape: %s', async (text) => {
    const archive = await repacked({ 'tool-pins.json': text });
    expect(await verifyBundle(archive, bundleKeys)).toEqual({ ok: false, problem: 'tool_pins_invalid' });
  });

  test('at most 20,000', async () => {
    const many = (count: number) =>
      new Map([
        [
          'files',
          new Map<string, ToolPin>(
            Array.from({ length: count }, (_, i) => [`t${String(i)}`, { kind: 'pinned', digest }]),
          ),
        ],
      ]);
    expect(
      (await bundleOf({ toolPins: { mode: 'first-use', routes: many(20_000) } })).toolPins.routes.get('files')
        ?.size,
    ).toBe(20_000);
    await expect(bundleOf({ toolPins: { mode: 'first-use', routes: many(20_001) } })).rejects.toThrow(
      RangeError,
    );
  });
});

describe('build refuses what verification would', () => {
  const bad: Record<string, Partial<BundleContent>> = {
    'revision 0': { revision: 0 },
    'a fraction': { revision: 1.5 },
    'a revision that is not exact': { revision: 2 ** 53 },
    'a role name out of form': { roles: { 'No Name': { inherits: [], permissions: [] } } },
    'a pattern out of form': {
      roles: { a: { inherits: [], permissions: [{ action: 'x*', resource: '*' }] } },
    },
    'a binding there twice': { bindings: [...bind('user:a', 'x'), ...bind('user:a', 'x')] },
    'a principal out of form': { bindings: bind('alice', 'x') },
    'a module too large': { wasm: new Uint8Array(4 * 2 ** 20 + 1) },
  };
  test.each(Object.entries(bad))('%s', async (_name, overrides) => {
    await expect(buildBundle(contentOf(overrides), signer)).rejects.toThrow(RangeError);
  });
});

describe('signatures', () => {
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const content = (): Uint8Array => signedContent(files);
  const hmacWithPublicKey = (): string => {
    const secret = bundleKeys.get(KEY_ID)?.export({ type: 'spki', format: 'pem' }) ?? '';
    const input = `${toBase64url(utf8(JSON.stringify({ ...HEADER, alg: 'HS256' })))}.${toBase64url(content())}`;
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  };
  const bad: Record<string, [document: () => unknown, problem: string]> = {
    none: [() => ({ signatures: [] }), 'signature_malformed'],
    two: [() => ({ signatures: [jwsOf(content()), jwsOf(content())] }), 'signature_malformed'],
    'one that is no string': [() => ({ signatures: [{}] }), 'signature_malformed'],
    'another member': [() => ({ signatures: [jwsOf(content())], more: 1 }), 'signature_malformed'],
    'a list at the top': [() => [jwsOf(content())], 'signature_malformed'],
    'text that is no JWS': [() => ({ signatures: ['a.b.c'] }), 'signature_invalid'],
    'an unknown key': [
      () => ({ signatures: [jwsOf(content(), { ...HEADER, kid: 'other' })] }),
      'key_unknown',
    ],
    'no key id': [() => ({ signatures: [jwsOf(content(), { ...HEADER, kid: undefined })] }), 'key_unknown'],
    'a known id, a stranger’s key': [
      () => ({ signatures: [jwsOf(content(), HEADER, stranger)] }),
      'signature_invalid',
    ],
    'algorithm none': [
      () => ({ signatures: [jwsOf(content(), { ...HEADER, alg: 'none' }).replace(/[^.]*$/, '')] }),
      'signature_invalid',
    ],
    'HMAC with the public key as its secret': [
      () => ({ signatures: [hmacWithPublicKey()] }),
      'signature_invalid',
    ],
    'another algorithm by name': [
      () => ({ signatures: [jwsOf(content(), { ...HEADER, alg: 'ES256' })] }),
      'signature_invalid',
    ],
    'a JWS of another type': [
      () => ({ signatures: [jwsOf(content(), { ...HEADER, typ: 'JWT' })] }),
      'signature_invalid',
    ],
    'a JWS of no type': [
      () => ({ signatures: [jwsOf(content(), { ...HEADER, typ: undefined })] }),
      'signature_invalid',
    ],
    'an extension that must be understood': [
      () => ({ signatures: [jwsOf(content(), { ...HEADER, crit: ['x'], x: 1 })] }),
      'signature_invalid',
    ],
    'a detached payload': [
      () => ({ signatures: [jwsOf(content()).replace(/\.[^.]*\./, '..')] }),
      'signature_invalid',
    ],
    'a signature cut short': [() => ({ signatures: [jwsOf(content()).slice(0, -4)] }), 'signature_invalid'],
    'content of another bundle': [() => ({ signatures: [jwsOf(utf8('{"files":[]}'))] }), 'content_mismatch'],
  };
  test.each(Object.entries(bad))('%s', async (_name, [document, problem]) => {
    expect(await verifyBundle(await repacked({}, document()), bundleKeys)).toEqual({ ok: false, problem });
  });

  test('the control: signed anew, it verifies', async () => {
    expect((await verifyBundle(await repacked({}), bundleKeys)).ok).toBe(true);
  });

  test.each(['private', 'ecdsa'] as const)(
    'a trusted key of the wrong kind verifies nothing: %s',
    async (kind) => {
      const ecdsa = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
      const keys = new Map([[KEY_ID, kind === 'private' ? bundlePrivateKey : ecdsa]]);
      expect(await verifyBundle(bundle, keys)).toEqual({ ok: false, problem: 'signature_invalid' });
    },
  );
});

describe('files changed after signing', () => {
  test.each(['.manifest', 'bindings.json', 'data.json', 'policy.wasm'])('%s', async (name) => {
    const original = { signatures: [jwsOf(signedContent(files))] };
    const changed = Uint8Array.from(files.get(name) ?? []);
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
    const archive = await repacked({ [name]: changed }, original);
    expect(await verifyBundle(archive, bundleKeys)).toEqual({ ok: false, problem: 'content_mismatch' });
  });
});

describe('content that is signed and still wrong', () => {
  const manifest = (change: (text: string) => string): string =>
    change(Buffer.from(files.get('.manifest') ?? []).toString());
  const bad: Record<string, [name: string, content: () => string | Uint8Array | undefined, problem: string]> =
    {
      'no manifest': ['.manifest', () => undefined, 'file_missing'],
      'no bindings': ['bindings.json', () => undefined, 'file_missing'],
      'no data': ['data.json', () => undefined, 'file_missing'],
      'no module': ['policy.wasm', () => undefined, 'file_missing'],
      'no signatures': ['.signatures.json', () => undefined, 'file_missing'],
      'signatures that are no JSON': ['.signatures.json', () => '{', 'signature_malformed'],
      'signatures that are no UTF-8': ['.signatures.json', () => Uint8Array.of(0xff), 'signature_malformed'],
      'a manifest that is no JSON': ['.manifest', () => 'x', 'manifest_invalid'],
      'a negative revision': [
        '.manifest',
        () => manifest((t) => t.replace('"1"', '"-1"')),
        'manifest_invalid',
      ],
      'revision 0': ['.manifest', () => manifest((t) => t.replace('"1"', '"0"')), 'manifest_invalid'],
      'a revision with a leading zero': [
        '.manifest',
        () => manifest((t) => t.replace('"1"', '"01"')),
        'manifest_invalid',
      ],
      'a revision that is a number': [
        '.manifest',
        () => manifest((t) => t.replace('"1"', '1')),
        'manifest_invalid',
      ],
      'a revision past what is exact': [
        '.manifest',
        () => manifest((t) => t.replace('"1"', '"9007199254740993"')),
        'manifest_invalid',
      ],
      'another entrypoint': [
        '.manifest',
        () => manifest((t) => t.replace('decision', 'other')),
        'manifest_invalid',
      ],
      'another format': [
        '.manifest',
        () => manifest((t) => t.replace('bundle/1', 'bundle/2')),
        'manifest_invalid',
      ],
      'narrower roots': [
        '.manifest',
        () => manifest((t) => t.replace('[""]', '["roles"]')),
        'manifest_invalid',
      ],
      'data that is no JSON': ['data.json', () => '', 'roles_invalid'],
      'data beside the roles': ['data.json', () => '{"roles":{},"users":{}}', 'roles_invalid'],
      'roles that are a list': ['data.json', () => '{"roles":[]}', 'roles_invalid'],
      'a role out of shape': ['data.json', () => '{"roles":{"a":{}}}', 'roles_invalid'],
      'bindings that are an object': ['bindings.json', () => '{}', 'bindings_invalid'],
      'a binding out of shape': [
        'bindings.json',
        () => '[{"principal":"user:a","role":"b"}]',
        'bindings_invalid',
      ],
      'a file over its limit': ['data.json', () => new Uint8Array(2 ** 20 + 1), 'too_large'],
    };
  test.each(Object.entries(bad))('%s', async (_name, [name, content, problem]) => {
    const archive = await repacked({ [name]: content() });
    expect(await verifyBundle(archive, bundleKeys)).toEqual({ ok: false, problem });
  });
});

describe('archives', () => {
  const entriesOf = (): [TarHeader, Uint8Array][] => [...files].map(([name, content]) => [{ name }, content]);
  const bad: Record<string, [() => Uint8Array | Promise<Uint8Array>, string]> = {
    nothing: [() => new Uint8Array(), 'not_gzip'],
    noise: [() => new Uint8Array(1000).fill(7), 'not_gzip'],
    'a plain tar': [() => new Uint8Array(gunzipSync(bundle)), 'not_gzip'],
    'cut short': [() => bundle.slice(0, -20), 'not_gzip'],
    'bytes after the end': [() => Uint8Array.from([...bundle, 0]), 'not_gzip'],
    'packed too large': [() => new Uint8Array(8 * 2 ** 20 + 1), 'too_large'],
    'a bomb': [() => new Uint8Array(gzipSync(new Uint8Array(200 * 2 ** 20))), 'too_large'],
    'gzip of nothing': [() => new Uint8Array(gzipSync(new Uint8Array())), 'not_tar'],
    'gzip of zeros': [() => new Uint8Array(gzipSync(new Uint8Array(1024))), 'not_tar'],
    'gzip of noise': [() => new Uint8Array(gzipSync(new Uint8Array(2048).fill(9))), 'not_tar'],
    'a tar cut inside a file': [
      () => new Uint8Array(gzipSync(gunzipSync(bundle).subarray(0, 20_000))),
      'not_tar',
    ],
    'a file that is not listed': [
      () => tarOf(...entriesOf(), [{ name: 'extra.json' }, '{}']),
      'file_forbidden',
    ],
    'Rego beside the module': [
      () => tarOf(...entriesOf(), [{ name: 'policy.rego' }, 'package x']),
      'file_forbidden',
    ],
    'a path that climbs': [() => tarOf([{ name: '../data.json' }, '{}']), 'file_forbidden'],
    'a path that climbs inside': [() => tarOf([{ name: 'x/../data.json' }, '{}']), 'file_forbidden'],
    'two slashes': [() => tarOf([{ name: '//data.json' }, '{}']), 'file_forbidden'],
    'a dot before the path': [() => tarOf([{ name: './data.json' }, '{}']), 'file_forbidden'],
    'a name of every object': [() => tarOf([{ name: 'constructor' }, '{}']), 'file_forbidden'],
    'a symbolic link': [
      () => tarOf([{ name: 'data.json', type: 'symlink', linkname: '/etc/passwd' }, '']),
      'file_forbidden',
    ],
    'a hard link': [
      () => tarOf([{ name: 'data.json', type: 'link', linkname: 'policy.wasm' }, '']),
      'file_forbidden',
    ],
    'a folder': [() => tarOf([{ name: 'data.json', type: 'directory' }, '']), 'file_forbidden'],
    'a file there twice': [() => tarOf(...entriesOf(), [{ name: 'data.json' }, '{}']), 'file_duplicate'],
    'a file there twice under two names': [
      () => tarOf(...entriesOf(), [{ name: '/data.json' }, '{}']),
      'file_duplicate',
    ],
  };
  test.each(Object.entries(bad))('%s', async (_name, [make, problem]) => {
    expect(await verifyBundle(await make(), bundleKeys)).toEqual({ ok: false, problem });
  });

  test('noise never throws, hangs or verifies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), async (noise, isPacked) => {
        const bytes = isPacked ? new Uint8Array(gzipSync(noise)) : noise;
        expect((await verifyBundle(bytes, bundleKeys)).ok).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('a flipped bit anywhere in the tar verifies only if no content changed', async () => {
    const tar = gunzipSync(bundle);
    const digest = (await bundleOf()).digest;
    await fc.assert(
      fc.asyncProperty(fc.nat(tar.length - 1), fc.nat(7), async (index, bit) => {
        const flipped = Uint8Array.from(tar);
        flipped[index] = (flipped[index] ?? 0) ^ (1 << bit);
        const result = await verifyBundle(new Uint8Array(gzipSync(flipped, { level: 1 })), bundleKeys);
        if (result.ok) expect(result.bundle.digest).toBe(digest);
        if (result.ok) expect(Buffer.from(result.bundle.wasm).equals(policyWasm)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test('the caller may reuse its buffer', async () => {
    const mine = Uint8Array.from(bundle);
    const pending = verifyBundle(mine, bundleKeys);
    mine.fill(0);
    expect((await pending).ok).toBe(true);
  });
});
