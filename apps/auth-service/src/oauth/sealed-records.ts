/**
 * Records of the provider as they are stored: names as keyed hashes, payloads sealed (AES-256-GCM, a key for each record,
 * bound to model and name). Who reads the database learns no code, no token, no client and no user from it.
 */
import { aead, AES_256_GCM, concatBytes, hkdfExpand, hmacSha256, secretKey, utf8 } from '@sallyport/crypto';
import type { FoundRecord } from './ports.ts';
import type { DerivedKeys } from './secret.ts';

export type SealedRecords = {
  /** 32 bytes. The same name in another model, or as another kind of name, is another hash. */
  hash(kind: 'id' | 'grant' | 'uid', model: string, name: string): Uint8Array;
  seal(model: string, id: Uint8Array, payload: object): Uint8Array;
  /** Undefined when it does not open: damaged, or moved from another row. */
  open(model: string, found: Pick<FoundRecord, 'id' | 'sealed'>): Record<string, unknown> | undefined;
};

const cipher = aead(AES_256_GCM);
const { ivLength, keyLength } = AES_256_GCM;

export function sealedRecords(
  keys: Pick<DerivedKeys, 'identifiers' | 'records'>,
  random: (length: number) => Uint8Array,
): SealedRecords {
  const context = (model: string, id: Uint8Array) => concatBytes(utf8(`${model}\0`), id);
  // A fresh key for each record: random nonces of one key would be bounded to 2^32 records (NIST SP 800-38D section 8.3).
  const keyOf = (aad: Uint8Array) => secretKey(hkdfExpand(keys.records, aad, keyLength));
  return {
    hash: (kind, model, name) => hmacSha256(keys.identifiers, utf8(`${kind}\0${model}\0${name}`)),
    seal: (model, id, payload) => {
      const aad = context(model, id);
      const iv = random(ivLength);
      const plaintext = utf8(JSON.stringify(payload));
      return concatBytes(iv, cipher.seal({ key: keyOf(aad), iv, aad, plaintext }));
    },
    open: (model, { id, sealed }) => {
      const aad = context(model, id);
      const plaintext = cipher.open({
        key: keyOf(aad),
        iv: sealed.subarray(0, ivLength),
        aad,
        sealed: sealed.subarray(ivLength),
      });
      return plaintext && (JSON.parse(Buffer.from(plaintext).toString('utf8')) as Record<string, unknown>);
    },
  };
}
