import { isObject, toolDigest } from '@sallyport/model-context';
import { accept, refuse, type Result } from '../domain/result.ts';
import { maxDefinitionBytes, parseToolDigest, parseToolRef, type Sighting } from '../domain/tool.ts';

export type SightingInput = {
  readonly route: string;
  readonly tool: string;
  /** Hex. */
  readonly digest: string;
  /** JSON; empty when it is too long to be sent. */
  readonly definition: string;
};

/** A definition that is not the one of its digest is refused: people approve a digest by reading a definition. */
export function parseSighting(input: SightingInput, field: string): Result<Sighting> {
  const ref = parseToolRef(input);
  if (!ref.ok) return refuse(ref.refusal.kind, `${field}.${ref.refusal.field}`, ref.refusal.message);
  const digest = parseToolDigest(input.digest, `${field}.digest`);
  if (!digest.ok) return digest;
  const { definition } = input;
  const where = `${field}.definition_json`;
  if (Buffer.byteLength(definition, 'utf8') > maxDefinitionBytes) {
    return refuse('too-large', where, `A definition has at most ${maxDefinitionBytes} bytes.`);
  }
  if (definition !== '') {
    const value = parsed(definition);
    if (!isObject(value) || value['name'] !== input.tool) {
      return refuse('malformed', where, 'It is not a definition of this tool.');
    }
    if (toolDigest(value) !== digest.value) {
      return refuse('malformed', where, 'The definition has another digest.');
    }
  }
  return accept({ ...ref.value, digest: digest.value, definition });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
