/**
 * The table of signature algorithms: an AlgorithmIdentifier becomes a row whose parameters are what its specification
 * says, exactly, or there is none.
 */
import type { AlgorithmIdentifier, Oid } from '../certificate/types.ts';
import { readPssParameters } from './pss-parameters.ts';
import type { KeyKind, PssParameters, SignatureName } from './types.ts';

/** How node:crypto is to verify, and with which keys. */
export interface SignatureAlgorithm {
  readonly name: SignatureName;
  readonly scheme: 'rsa-pkcs1' | 'rsa-pss' | 'ecdsa' | 'dsa' | 'pure';
  readonly keys: readonly KeyKind[];
  /** Of the message; null where the algorithm takes the message itself. */
  readonly digest: string | null;
  /** RSASSA-PSS alone. */
  readonly pss: PssParameters | undefined;
}

interface Row extends SignatureAlgorithm {
  readonly parameters: 'absent' | 'null or absent';
}

const RSA: readonly KeyKind[] = ['rsa'];
const EC: readonly KeyKind[] = ['ec-p256', 'ec-p384', 'ec-p521'];

/** RFC 4055 section 5: the parameters are NULL, and absent ones must be taken too. */
const pkcs1 = (digest: 'sha256' | 'sha384' | 'sha512' | 'sha1' | 'md5'): Row => ({
  name: `rsa-pkcs1-${digest}`,
  scheme: 'rsa-pkcs1',
  keys: RSA,
  digest,
  pss: undefined,
  parameters: 'null or absent',
});

/** RFC 5758 section 3.2: absent. */
const ecdsa = (digest: 'sha256' | 'sha384' | 'sha512' | 'sha1'): Row => ({
  name: `ecdsa-${digest}`,
  scheme: 'ecdsa',
  keys: EC,
  digest,
  pss: undefined,
  parameters: 'absent',
});

/** RFC 5758 section 3.1 and RFC 3279 section 2.2.2: absent. */
const dsa = (digest: 'sha1' | 'sha256'): Row => ({
  name: `dsa-${digest}`,
  scheme: 'dsa',
  keys: ['dsa'],
  digest,
  pss: undefined,
  parameters: 'absent',
});

/** RFC 8410 section 3 and RFC 9881 section 2: absent; the key is of the same algorithm. */
const pure = (name: SignatureName & KeyKind): Row => ({
  name,
  scheme: 'pure',
  keys: [name],
  digest: null,
  pss: undefined,
  parameters: 'absent',
});

const ROWS: ReadonlyMap<Oid, Row> = new Map<Oid, Row>([
  ['1.2.840.113549.1.1.11', pkcs1('sha256')],
  ['1.2.840.113549.1.1.12', pkcs1('sha384')],
  ['1.2.840.113549.1.1.13', pkcs1('sha512')],
  ['1.2.840.113549.1.1.5', pkcs1('sha1')],
  ['1.2.840.113549.1.1.4', pkcs1('md5')],
  ['1.2.840.10045.4.3.2', ecdsa('sha256')],
  ['1.2.840.10045.4.3.3', ecdsa('sha384')],
  ['1.2.840.10045.4.3.4', ecdsa('sha512')],
  ['1.2.840.10045.4.1', ecdsa('sha1')],
  ['1.2.840.10040.4.3', dsa('sha1')],
  ['2.16.840.1.101.3.4.3.2', dsa('sha256')],
  ['1.3.101.112', pure('ed25519')],
  ['2.16.840.1.101.3.4.3.17', pure('ml-dsa-44')],
  ['2.16.840.1.101.3.4.3.18', pure('ml-dsa-65')],
  ['2.16.840.1.101.3.4.3.19', pure('ml-dsa-87')],
]);

const ID_RSASSA_PSS: Oid = '1.2.840.113549.1.1.10';

/** One row for each hash; the salt length is the signature's own. */
const PSS_KEYS: readonly KeyKind[] = ['rsa', 'rsa-pss'];

/** Undefined: unknown, or with parameters that are not what the specification says. */
export function signatureAlgorithm(identifier: AlgorithmIdentifier): SignatureAlgorithm | undefined {
  const { oid, parameters } = identifier;
  if (oid === ID_RSASSA_PSS) {
    const pss = parameters === undefined ? undefined : readPssParameters(parameters); // RFC 4055 section 3.1: present
    if (pss === undefined) return undefined;
    return { name: `rsa-pss-${pss.hash}`, scheme: 'rsa-pss', keys: PSS_KEYS, digest: pss.hash, pss };
  }
  const row = ROWS.get(oid);
  if (row === undefined || parameters === undefined) return row;
  return row.parameters === 'null or absent' && isNull(parameters) ? row : undefined;
}

/** `05 00`. */
export function isNull(parameters: Uint8Array): boolean {
  return parameters.length === 2 && parameters[0] === 0x05 && parameters[1] === 0x00;
}
