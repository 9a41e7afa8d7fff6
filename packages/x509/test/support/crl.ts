/** Certificate revocation lists for tests (RFC 5280 section 5). */
import {
  ENUMERATED,
  generalizedTime,
  name,
  time,
  writeExplicit,
  writeInteger,
  writeSequence,
  type NameInput,
} from './der.ts';
import { OID, extension } from './extensions.ts';
import { schemeOf, makeKey } from './keys.ts';
import { NEXT_UPDATE, THIS_UPDATE, signed, type SigningInput } from './signed.ts';

/** Section 5.3.1 by number; 7 is not used. */
const CRL_REASONS: readonly string[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  '',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
];

export interface RevokedInput {
  /** A value, or a whole INTEGER. */
  readonly serial: number | bigint | Uint8Array;
  readonly at?: Date | Uint8Array;
  readonly reason?: string;
  readonly invalidityDate?: Date;
  /** GeneralNames of the certificateIssuer extension. */
  readonly certificateIssuer?: readonly Uint8Array[];
  readonly extensions?: readonly Uint8Array[];
}

export interface CrlInput extends SigningInput {
  /** Absent: v2. `null`: no version field (v1). */
  readonly version?: number | null | Uint8Array;
  readonly innerAlgorithm?: Uint8Array;
  readonly issuer?: NameInput;
  readonly thisUpdate?: Date | Uint8Array;
  /** `null`: absent. */
  readonly nextUpdate?: Date | Uint8Array | null;
  /** `[]` leaves the field out. */
  readonly revoked?: readonly (RevokedInput | Uint8Array)[];
  readonly crlNumber?: number | bigint;
  readonly deltaOf?: number | bigint;
  /** Each a whole Extension, behind those of the fields above. */
  readonly extensions?: readonly Uint8Array[];
  readonly mapFields?: (fields: readonly Uint8Array[]) => readonly Uint8Array[];
}

export function makeCrl(input: CrlInput = {}): Uint8Array {
  const scheme = schemeOf(input.signer ?? makeKey(), input.scheme);
  const revoked = (input.revoked ?? []).map((row) => (row instanceof Uint8Array ? row : revokedRow(row)));
  const extensions = [
    ...(input.crlNumber === undefined ? [] : [extension(OID.cRLNumber, writeInteger(input.crlNumber))]),
    ...(input.deltaOf === undefined
      ? []
      : [extension(OID.deltaCRLIndicator, writeInteger(input.deltaOf), true)]),
    ...(input.extensions ?? []),
  ];
  const { version = 1, nextUpdate = NEXT_UPDATE } = input;
  const fields = [
    ...(version === null ? [] : [version instanceof Uint8Array ? version : writeInteger(version)]),
    input.innerAlgorithm ?? scheme.algorithm,
    name(input.issuer ?? 'issuer'),
    time(input.thisUpdate ?? THIS_UPDATE),
    ...(nextUpdate === null ? [] : [time(nextUpdate)]),
    ...(revoked.length === 0 ? [] : [writeSequence(...revoked)]),
    ...(extensions.length === 0 ? [] : [writeExplicit(0, writeSequence(...extensions))]),
  ];
  return signed(input.mapFields?.(fields) ?? fields, input);
}

function revokedRow(row: RevokedInput): Uint8Array {
  const extensions = [
    ...(row.reason === undefined
      ? []
      : [extension(OID.reasonCode, writeInteger(CRL_REASONS.indexOf(row.reason), ENUMERATED))]),
    ...(row.invalidityDate === undefined
      ? []
      : [extension(OID.invalidityDate, generalizedTime(row.invalidityDate))]),
    ...(row.certificateIssuer === undefined
      ? []
      : [extension(OID.certificateIssuer, writeSequence(...row.certificateIssuer), true)]),
    ...(row.extensions ?? []),
  ];
  return writeSequence(
    row.serial instanceof Uint8Array ? row.serial : writeInteger(row.serial),
    time(row.at ?? THIS_UPDATE),
    ...(extensions.length === 0 ? [] : [writeSequence(...extensions)]),
  );
}
