/**
 * From bytes of any origin to a bundle that may be loaded. Nothing inside is parsed before the signature holds, except
 * the signature itself.
 */

import { constantTimeEqual, fromUtf8, sha256, toHex } from '@sallyport/crypto';
import { compactVerify, errors } from 'jose';
import { unpackArchive } from './archive.ts';
import type { ArchiveProblem } from './archive.ts';
import { BUNDLE_BOUNDS, BUNDLE_JWS_TYPE, manifestOf, signedContent } from './bundle.ts';
import type { BundleKeys, VerifiedBundle } from './bundle.ts';
import { canonicalJson, isJsonObject } from './json.ts';
import { parseBindings, parseRoleTable } from './roles.ts';
import { NO_TOOL_PINS, parseToolPins } from './tool-pins.ts';

export type BundleProblem =
  | ArchiveProblem
  | 'file_missing'
  | 'signature_malformed'
  | 'key_unknown'
  | 'signature_invalid'
  | 'content_mismatch'
  | 'manifest_invalid'
  | 'roles_invalid'
  | 'bindings_invalid'
  | 'tool_pins_invalid';

export type VerifyResult =
  | { readonly ok: true; readonly bundle: VerifiedBundle }
  | { readonly ok: false; readonly problem: BundleProblem };

/**
 * Total: never throws, whatever `bytes` are; work and memory are bounded by BUNDLE_BOUNDS. `keys` maps key ids to
 * Ed25519 public keys, the only kind that verifies. Copies `bytes`.
 */
export async function verifyBundle(bytes: Uint8Array, keys: BundleKeys): Promise<VerifyResult> {
  const own = Uint8Array.from(bytes);
  const unpacked = await unpackArchive(own, BUNDLE_BOUNDS);
  if (!unpacked.ok) return unpacked;
  const file = (name: string): Uint8Array | undefined => unpacked.files.get(name);
  const [signatures, manifest, bindings, data, wasm] = [
    file('.signatures.json'),
    file('.manifest'),
    file('bindings.json'),
    file('data.json'),
    file('policy.wasm'),
  ];
  if (!signatures || !manifest || !bindings || !data || !wasm) return refuse('file_missing');

  const signed = await verifySignature(signatures, keys);
  if (typeof signed === 'string') return refuse(signed);
  // The archive can hold only these names, so equality also says that nothing unlisted came along.
  if (!constantTimeEqual(signed.content, signedContent(unpacked.files))) return refuse('content_mismatch');

  const revision = parseManifest(manifest);
  if (revision === undefined) return refuse('manifest_invalid');
  const document = parseJson(data);
  const onlyRoles = isJsonObject(document) && Object.keys(document).join() === 'roles';
  const roles = onlyRoles ? parseRoleTable(document['roles']) : undefined;
  if (roles === undefined) return refuse('roles_invalid');
  const parsedBindings = parseBindings(parseJson(bindings));
  if (parsedBindings === undefined) return refuse('bindings_invalid');
  const pins = file('tool-pins.json');
  const toolPins = pins === undefined ? NO_TOOL_PINS : parseToolPins(parseJson(pins));
  if (toolPins === undefined) return refuse('tool_pins_invalid');

  const digest = toHex(sha256(signed.content));
  const content = { wasm, roles, bindings: parsedBindings, toolPins };
  const bundle = { revision, digest, keyId: signed.keyId, ...content, bytes: own };
  return { ok: true, bundle: Object.freeze(bundle) as VerifiedBundle };
}

type Signed = { readonly content: Uint8Array; readonly keyId: string };
type SignatureProblem = 'signature_malformed' | 'key_unknown' | 'signature_invalid';

async function verifySignature(file: Uint8Array, keys: BundleKeys): Promise<Signed | SignatureProblem> {
  const document = parseJson(file);
  if (!isJsonObject(document) || Object.keys(document).join() !== 'signatures') return 'signature_malformed';
  const list = document['signatures'];
  const jws: unknown = Array.isArray(list) && list.length === 1 ? list[0] : undefined;
  if (typeof jws !== 'string') return 'signature_malformed';
  let keyId: string | undefined;
  let isUnknown = false;
  try {
    const { payload } = await compactVerify(
      jws,
      (header) => {
        keyId = header.kid;
        const key = keyId === undefined ? undefined : keys.get(keyId);
        isUnknown = key === undefined;
        // The key's own type decides, not the header: a public key is never taken for an HMAC secret.
        if (key?.asymmetricKeyType !== 'ed25519' || key.type !== 'public' || header.typ !== BUNDLE_JWS_TYPE) {
          throw new errors.JWSInvalid();
        }
        return key;
      },
      { algorithms: ['EdDSA'] },
    );
    return keyId === undefined ? 'signature_malformed' : { content: payload, keyId };
  } catch {
    return isUnknown ? 'key_unknown' : 'signature_invalid';
  }
}

/** The manifest is the one `buildBundle` writes for its revision, or it is none. */
function parseManifest(file: Uint8Array): number | undefined {
  const manifest = parseJson(file);
  const text = isJsonObject(manifest) ? manifest['revision'] : undefined;
  if (typeof text !== 'string' || !/^[1-9][0-9]{0,15}$/.test(text)) return undefined;
  const revision = Number(text);
  if (!Number.isSafeInteger(revision)) return undefined;
  const limit = file.length * 2;
  return canonicalJson(manifest, limit) === canonicalJson(manifestOf(revision), limit) ? revision : undefined;
}

function parseJson(file: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(file) ?? '');
  } catch {
    return undefined;
  }
}

function refuse(problem: BundleProblem): VerifyResult {
  return { ok: false, problem };
}
