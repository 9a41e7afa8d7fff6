import type { Certificate } from '../certificate/types.ts';
import type { Failure } from '../reasons.ts';

/** RFC 5280 section 6.1.3 (a)(2); both ends are inside (section 4.1.2.5). */
export function checkValidity({ validity }: Certificate, atMs: number): Failure | undefined {
  const section = 'RFC 5280 section 6.1.3 (a)(2)';
  if (atMs < validity.notBeforeMs)
    return { reason: 'not_yet_valid', section, detail: `valid from ${timeText(validity.notBeforeMs)}` };
  if (atMs > validity.notAfterMs)
    return { reason: 'expired', section, detail: `valid until ${timeText(validity.notAfterMs)}` };
  return undefined;
}

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
