import { parseTraceparent } from '../telemetry/traceparent.ts';

/** `{ traceparent }` when `header` is one, else `{}`: what is not valid goes no further, on either side of a broker. */
export function validTraceparent(header: string | undefined): { readonly traceparent?: string } {
  return header !== undefined && parseTraceparent(header) !== undefined ? { traceparent: header } : {};
}
