/** What the tests over the wire share. */
import { fromHex } from '@sallyport/crypto';
import { toolDigest } from '@sallyport/model-context';
import { SallyportError } from '@sallyport/service/errors';

/** Of a call that must be refused. */
export async function reasonOf(promise: Promise<unknown>) {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (!(error instanceof SallyportError)) throw new Error('expected a refusal', { cause: error });
  return { reason: error.reason, field: error.field, message: error.message };
}

const definitionOf = (tool: string, description = '') => ({ name: tool, description, inputSchema: {} });
/** A tool as a gateway reports it; the digest alone is what an approval names. */
export function sighting(route: string, tool: string, description = '') {
  const definition = definitionOf(tool, description);
  const digest = fromHex(toolDigest(definition)) ?? new Uint8Array();
  return { route, tool, digest, definitionJson: JSON.stringify(definition) };
}
