/** One case of a suite: what is built, and what a validator says of it. */
import { describe, expect, test } from 'vitest';
import { anchorFrom } from '../../src/build/anchors.ts';
import { parseCertificate } from '../../src/certificate/parse-certificate.ts';
import type { Certificate } from '../../src/certificate/types.ts';
import type { ExpectedName, ValidationInput } from '../../src/input.ts';
import type { Limits } from '../../src/limits.ts';
import type { ProfileName } from '../../src/profile/types.ts';
import type { ValidationResult } from '../../src/result.ts';
import { createValidator, type ValidatorOptions } from '../../src/validate.ts';
import { AT, type Issued } from '../support/pki.ts';

export interface Built extends Partial<Omit<ValidationInput, 'intermediates'>> {
  readonly anchors: readonly Issued[];
  readonly intermediates?: readonly Issued[];
  readonly leaf: Issued;
  readonly profile?: ProfileName | ValidatorOptions['profile'];
  readonly limits?: Partial<Limits>;
}

/** As a caller with bytes has it: a leaf or an anchor that is malformed is the answer, an intermediate is left out. */
export function verdict(built: Built): string {
  const { anchors, intermediates = [], leaf, profile = 'rfc5280', limits = {}, ...input } = built;
  const known = anchors.map(read);
  const target = read(leaf);
  if (target === undefined || known.includes(undefined)) return 'malformed';
  const validator = createValidator({ anchors: known.filter(isRead).map(anchorFrom), profile, limits });
  return textOf(
    validator.validate(target, {
      at: AT,
      purpose: 'server',
      intermediates: intermediates.map(read).filter(isRead),
      ...input,
    }),
  );
}

function read({ der }: Issued): Certificate | undefined {
  const parsed = parseCertificate(der);
  return parsed.ok ? parsed.value : undefined;
}

function isRead(certificate: Certificate | undefined): certificate is Certificate {
  return certificate !== undefined;
}

/** `valid`, or the reason, with the section where a rule of a profile is broken. */
function textOf(result: ValidationResult): string {
  if (result.valid) return 'valid';
  const { reason, section } = result.failure;
  return reason === 'profile' ? `profile: ${section}` : reason;
}

export const dns = (value: string): ExpectedName => ({ kind: 'dns', value });
export const ip = (value: string): ExpectedName => ({ kind: 'ip', value });
export const email = (value: string): ExpectedName => ({ kind: 'email', value });

/** The suite's name of the case, what is expected, and what is built. */
export type Row = readonly [id: string, expected: string, build: () => Built];

export function suite(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    test.each(rows)('%s: %s', (_, expected, build) => {
      expect(verdict(build())).toBe(expected);
    });
  });
}
