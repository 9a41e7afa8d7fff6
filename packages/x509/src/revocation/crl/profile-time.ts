/** The times of a list, as RFC 5280 section 5.1.2.4 has them. */
import type { DerReader } from '../../der/reader.ts';
import { GENERALIZED_TIME } from '../../der/tags.ts';

const YEAR_2050_MS = Date.UTC(2050, 0, 1);

/** Sections 5.1.2.4 to 5.1.2.6: UTCTime through 2049, GeneralizedTime from 2050 on. Milliseconds since 1970. */
export function readProfileTime(reader: DerReader): number {
  const offset = reader.offset;
  const isGeneralized = reader.isNext(GENERALIZED_TIME);
  const timeMs = reader.time();
  if (isGeneralized && timeMs < YEAR_2050_MS) reader.fail('a time before 2050 is a UTCTime', offset);
  return timeMs;
}
