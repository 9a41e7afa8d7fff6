/** One validation in one call, for tests of what paths are found. */
import { anchorFrom } from '../../src/build/anchors.ts';
import type { TrustAnchor, ValidationInput } from '../../src/input.ts';
import type { Limits } from '../../src/limits.ts';
import type { ValidationResult } from '../../src/result.ts';
import { createValidator, type ValidatorOptions } from '../../src/validate.ts';
import { AT, type Issued } from './pki.ts';

export interface Case extends Partial<Omit<ValidationInput, 'intermediates'>> {
  readonly anchors: readonly (Issued | TrustAnchor)[];
  readonly intermediates?: readonly Issued[];
  readonly leaf: Issued;
  readonly limits?: Partial<Limits>;
  readonly options?: Partial<ValidatorOptions>;
}

export function run(input: Case): ValidationResult {
  const { anchors, intermediates = [], leaf, limits = {}, options = {}, ...rest } = input;
  const validator = createValidator({
    anchors: anchors.map((anchor) => ('name' in anchor ? anchor : anchorFrom(anchor.certificate))),
    limits,
    ...options,
  });
  return validator.validate(leaf.certificate, {
    at: AT,
    intermediates: intermediates.map(({ certificate }) => certificate),
    ...rest,
  });
}

/** The path as the labels of `names`, or the reason of the refusal: what most tests compare. */
export function outcome(result: ValidationResult, names: Readonly<Record<string, Issued>>): string {
  if (!result.valid) return result.failure.reason;
  return result.path.map((certificate) => labelOf(certificate.fingerprint, names)).join(' < ');
}

function labelOf(fingerprint: string, names: Readonly<Record<string, Issued>>): string {
  const found = Object.entries(names).find(([, issued]) => issued.certificate.fingerprint === fingerprint);
  return found?.[0] ?? 'unknown';
}
