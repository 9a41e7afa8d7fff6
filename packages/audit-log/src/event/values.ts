/** Bounds of single values, shared by builders and decoder. */
import { AuditLogError } from '../errors.ts';
import { MAX_IDENTIFIER_LENGTH, MAX_LABEL_LENGTH, MAX_SENTENCE_LENGTH } from './limits.ts';

/** What single values may be; the decoder's schema uses the same. */
export const VALUE = {
  visibleAscii: /^[!-~]+$/,
  hex: /^(?:[0-9a-f]{2})+$/,
  decimal: /^(?:0|[1-9][0-9]{0,19})$/,
  /** 9999-12-31T23:59:59.999Z, the last instant RFC 3339 can write. */
  maxTimeMs: 253_402_300_799_999,
  maxU64: (1n << 64n) - 1n,
} as const;

function demand(condition: boolean, field: string, want: string): void {
  if (!condition)
    throw new AuditLogError('invalid_event', `audit event: ${field} must be ${want}`, { field });
}

function visible(field: string, value: string, max: number): string {
  demand(
    value.length <= max && VALUE.visibleAscii.test(value),
    field,
    `1 to ${max} visible ASCII characters`,
  );
  return value;
}

export const check = {
  label: (field: string, value: string) => visible(field, value, MAX_LABEL_LENGTH),
  identifier: (field: string, value: string) => visible(field, value, MAX_IDENTIFIER_LENGTH),
  /** Any text by its size in UTF-8; a lone surrogate has no UTF-8. */
  text(field: string, value: string, maxBytes: number): string {
    const fits = value.isWellFormed() && Buffer.byteLength(value, 'utf8') <= maxBytes;
    demand(fits, field, `well-formed text of at most ${maxBytes} bytes`);
    return value;
  },
  sentence(field: string, value: string): string {
    demand(
      value.isWellFormed() && value.length <= MAX_SENTENCE_LENGTH,
      field,
      `well-formed text of at most ${MAX_SENTENCE_LENGTH} characters`,
    );
    return value;
  },
  hex(field: string, value: string, maxLength = 64): string {
    demand(
      value.length <= maxLength && VALUE.hex.test(value),
      field,
      `1 to ${maxLength / 2} bytes in lower-case hex`,
    );
    return value;
  },
  count(field: string, value: number, min: number, max: number): number {
    demand(
      Number.isSafeInteger(value) && value >= min && value <= max,
      field,
      `a whole number from ${min} to ${max}`,
    );
    return value;
  },
  instant(field: string, value: number): number {
    demand(
      Number.isSafeInteger(value) && value >= 0 && value <= VALUE.maxTimeMs,
      field,
      'whole milliseconds since 1970, up to the year 9999',
    );
    return value;
  },
  duration(field: string, value: number): number {
    demand(value >= 0 && value <= 1e12, field, 'milliseconds, zero or more'); // NaN is neither
    return Math.round(value * 1000) / 1000;
  },
  sequence(field: string, value: bigint): string {
    demand(value >= 0n && value <= VALUE.maxU64, field, 'an unsigned 64-bit number');
    return value.toString();
  },
};
