/** What a message asks for inside its destination: which tool, prompt or resource, and with which arguments. */
import { sha256, toHex, utf8 } from '@sallyport/crypto';
import type { OperationRef } from './event.ts';
import { MAX_TARGET_BYTES } from './limits.ts';
import { check } from './values.ts';

export interface Operation {
  /** Name of a tool or prompt, URI of a resource. One that is too long for the log is cut (`boundedTarget`). */
  readonly target?: string;
  /** SHA-256 of the arguments in their canonical form (RFC 8785), hexadecimal. */
  readonly argumentsDigest?: string;
}

const DIGEST_MARK = '…sha256:';

/**
 * `target` as it stands in the log, and as it is asked for in a query: itself when it has at most 255 bytes of UTF-8,
 * else its beginning, `…sha256:` and the hexadecimal SHA-256 of the whole, so that two long ones stay two. Total: a lone
 * surrogate becomes U+FFFD.
 */
export function boundedTarget(target: string): string {
  const whole = target.toWellFormed();
  const bytes = utf8(whole);
  if (bytes.length <= MAX_TARGET_BYTES) return whole;
  const mark = `${DIGEST_MARK}${toHex(sha256(bytes))}`;
  return `${beginning(whole, MAX_TARGET_BYTES - utf8(mark).length)}${mark}`;
}

/** The longest beginning of at most `maxBytes`, no character divided. */
function beginning(text: string, maxBytes: number): string {
  let room = maxBytes;
  let end = 0;
  for (const character of text) {
    room -= Buffer.byteLength(character, 'utf8');
    if (room < 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** The attribute of an event, or nothing where nothing was named. Throws `AuditLogError` for a digest that is none. */
export function operationRef(operation: Operation | undefined): { readonly operation?: OperationRef } {
  if (operation === undefined) return {};
  const { target, argumentsDigest } = operation;
  return {
    operation: {
      ...(target === undefined ? {} : { target: boundedTarget(target) }),
      ...(argumentsDigest === undefined
        ? {}
        : { arguments_digest: check.hex('operation.argumentsDigest', argumentsDigest, 64) }),
    },
  };
}
