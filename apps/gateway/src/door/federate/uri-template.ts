/**
 * Whether a URI could come from a template (RFC 6570). Pure, linear, and lenient: values are not checked but for `/`, which simple
 * expressions cannot give; expressions of queries and fragments may be absent. It decides which server is asked, nothing else.
 */

type Part = { readonly literal: string } | { readonly operator: string };

const MAX_LENGTH = 8_192;

/** False for a template that is malformed, and where either text has more than 8,192 UTF-16 units. */
export function couldComeFrom(template: string, uri: string): boolean {
  if (template.length > MAX_LENGTH || uri.length > MAX_LENGTH) return false;
  const parts = partsOf(template);
  if (parts === undefined) return false;
  let at = 0;
  let open: string | undefined;
  for (const part of parts) {
    if ('operator' in part) {
      open = part.operator;
      continue;
    }
    const found =
      open === undefined ? (uri.startsWith(part.literal, at) ? at : -1) : uri.indexOf(part.literal, at);
    if (found === -1 || !fits(open, uri.slice(at, found))) return false;
    at = found + part.literal.length;
    open = undefined;
  }
  const rest = uri.slice(at);
  return open === undefined ? rest === '' : fits(open, rest);
}

const fits = (operator: string | undefined, value: string): boolean => {
  if (operator === undefined) return value === '';
  if (operator === '') return value !== '' && !value.includes('/');
  if ('?&#;'.includes(operator)) return value === '' || value.startsWith(operator);
  return true;
};

/** Undefined: not a template. Two expressions without text between count as one. */
const partsOf = (template: string): readonly Part[] | undefined => {
  const parts: Part[] = [];
  for (let at = 0; at < template.length;) {
    const opening = template.indexOf('{', at);
    const end = opening === -1 ? template.length : opening;
    if (end > at) parts.push({ literal: template.slice(at, end) });
    if (opening === -1) break;
    const closing = template.indexOf('}', opening);
    if (closing === -1) return undefined;
    const first = template[opening + 1] ?? '';
    parts.push({ operator: '+#./;?&'.includes(first) ? first : '' });
    at = closing + 1;
  }
  return parts;
};
