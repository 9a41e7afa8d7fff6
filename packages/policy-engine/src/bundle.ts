/**
 * The signed policy bundle: an OPA bundle (gzip, tar) of exactly these files.
 *
 *   .manifest         revision, roots, the wasm entrypoint
 *   .signatures.json  one JWS (EdDSA) over the name and SHA-256 of each other file
 *   bindings.json     who holds which role; read by the engine, never copied into the module
 *   data.json         {roles}
 *   policy.wasm       the module
 *   tool-pins.json    approved tool definitions; only where there is something to say
 *
 * A bundle's digest is the SHA-256 of what is signed, so packing the same content anew does not change it.
 * Source: OPA documentation, "Bundles", file format and signing.
 */

import type { KeyObject } from 'node:crypto';
import { sha256, toBase64url, toHex, utf8 } from '@sallyport/crypto';
import { packArchive } from './archive.ts';
import type { ArchiveBounds } from './archive.ts';
import { canonicalJson } from './json.ts';
import { parseBindings, parseRoleTable } from './roles.ts';
import type { RoleBinding, RoleTable } from './roles.ts';
import { parseToolPins, toolPinsJson } from './tool-pins.ts';
import type { ToolPins } from './tool-pins.ts';

/** The document a bundle's module must answer for. */
export const POLICY_ENTRYPOINT = 'sallyport/decision';

export const BUNDLE_FORMAT = 'sallyport-bundle/1';

/** Explicit typing of the JWS, so that no other signature of the same key can pass for one (RFC 8725 section 3.11). */
export const BUNDLE_JWS_TYPE = 'opa-bundle+jws';

const MIB = 1024 * 1024;

/** `data.json` is the smallest for its kind: the module takes 16 bytes of memory for each and blocks while it loads. */
export const BUNDLE_BOUNDS: ArchiveBounds = {
  maxPackedBytes: 8 * MIB,
  maxUnpackedBytes: 28 * MIB,
  maxFileBytes: {
    '.manifest': 16 * 1024,
    '.signatures.json': 16 * 1024,
    'bindings.json': 16 * MIB,
    'data.json': MIB,
    'policy.wasm': 4 * MIB,
    'tool-pins.json': 8 * MIB,
  },
};

/** The files a signature covers, those that are there, in the order in which it lists them. */
export const SIGNED_FILES = [
  '.manifest',
  'bindings.json',
  'data.json',
  'policy.wasm',
  'tool-pins.json',
] as const;

declare const verified: unique symbol;

/** Made by `verifyBundle` alone. */
export type VerifiedBundle = {
  readonly [verified]: true;
  readonly revision: number;
  /** SHA-256 of the signed content, hex. */
  readonly digest: string;
  readonly keyId: string;
  readonly wasm: Uint8Array;
  readonly roles: RoleTable;
  readonly bindings: readonly RoleBinding[];
  readonly toolPins: ToolPins;
  /** As received; what is persisted as last good. */
  readonly bytes: Uint8Array;
};

export type BundleKeys = ReadonlyMap<string, KeyObject>;

export type BundleContent = {
  /** A positive safe integer, larger than that of every bundle before. */
  readonly revision: number;
  readonly wasm: Uint8Array;
  readonly roles: RoleTable;
  readonly bindings: readonly RoleBinding[];
  /** None when absent, and pinning at first use. */
  readonly toolPins?: ToolPins;
};

export type BundleSigner = {
  readonly keyId: string;
  /** The 64-byte Ed25519 signature of `bytes`. */
  readonly sign: (bytes: Uint8Array) => Promise<Uint8Array>;
};

/**
 * The same content and signer give the same bytes. Throws RangeError on content that `verifyBundle` would refuse:
 * a revision that is not a positive safe integer, roles or bindings out of shape, a file over its limit.
 */
export async function buildBundle(content: BundleContent, signer: BundleSigner): Promise<Uint8Array> {
  const files = new Map<string, Uint8Array>([
    ['.manifest', jsonFile('.manifest', manifestOf(content.revision))],
    ['bindings.json', jsonFile('bindings.json', sortedBindings(content.bindings))],
    ['data.json', jsonFile('data.json', { roles: checkedRoles(content.roles) })],
    ['policy.wasm', withinLimit('policy.wasm', content.wasm)],
    ...pinsFile(content.toolPins),
  ]);
  const header = { alg: 'EdDSA', kid: signer.keyId, typ: BUNDLE_JWS_TYPE };
  const input = `${toBase64url(utf8(JSON.stringify(header)))}.${toBase64url(signedContent(files))}`;
  const signature = await signer.sign(utf8(input));
  const jws = `${input}.${toBase64url(signature)}`;
  files.set('.signatures.json', jsonFile('.signatures.json', { signatures: [jws] }));
  return packArchive(files);
}

/** What the signature covers: OPA's list of files, in our one spelling. */
export function signedContent(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const listed = SIGNED_FILES.flatMap((name) => {
    const content = files.get(name);
    return content === undefined ? [] : [{ name, hash: toHex(sha256(content)), algorithm: 'SHA-256' }];
  });
  return utf8(spell({ files: listed }, 16 * 1024));
}

export function manifestOf(revision: number): Record<string, unknown> {
  if (!Number.isSafeInteger(revision) || revision < 1)
    throw new RangeError('revision must be a positive safe integer');
  return {
    revision: String(revision),
    roots: [''],
    rego_version: 1,
    metadata: { format: BUNDLE_FORMAT },
    wasm: [{ entrypoint: POLICY_ENTRYPOINT, module: '/policy.wasm' }],
  };
}

function checkedRoles(roles: RoleTable): RoleTable {
  const parsed = parseRoleTable(roles);
  if (parsed === undefined) throw new RangeError('roles are out of shape');
  return parsed;
}

/** Nothing to say, no file: a gateway of the release before knows five files and no others. */
function pinsFile(pins: ToolPins | undefined): [string, Uint8Array][] {
  if (pins === undefined || (pins.mode === 'first-use' && pins.routes.size === 0)) return [];
  const json = toolPinsJson(pins);
  if (parseToolPins(json) === undefined) throw new RangeError('tool pins are out of shape');
  return [['tool-pins.json', jsonFile('tool-pins.json', json)]];
}

function sortedBindings(bindings: readonly RoleBinding[]): readonly RoleBinding[] {
  const parsed = parseBindings(bindings);
  if (parsed === undefined) throw new RangeError('bindings are out of shape, or one is there twice');
  const order = (binding: RoleBinding): string => `${binding.tenant} ${binding.principal} ${binding.role}`;
  return parsed.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
}

function jsonFile(name: string, value: unknown): Uint8Array {
  return withinLimit(name, utf8(spell(value, BUNDLE_BOUNDS.maxFileBytes[name] ?? 0)));
}

function spell(value: unknown, maxLength: number): string {
  const text = canonicalJson(value, maxLength);
  if (text === undefined) throw new RangeError('content is over its size limit');
  return text;
}

function withinLimit(name: string, content: Uint8Array): Uint8Array {
  const limit = BUNDLE_BOUNDS.maxFileBytes[name] ?? 0;
  if (content.length > limit) throw new RangeError(`${name} is over its limit of ${String(limit)} bytes`);
  return content;
}
