/** A word as the audit log takes it: 1 to 64 visible ASCII characters, whatever a route or a policy called it. */

const MAX_LENGTH = 64;

export function auditLabel(text: string, fallback: string): string {
  const label = text.replace(/[^\x21-\x7e]/gu, '_').slice(0, MAX_LENGTH);
  return label === '' ? fallback : label;
}
