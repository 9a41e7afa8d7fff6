/** JSON pointers (RFC 6901) as far as conditions on arguments use them. */

const MAX_POINTER_LENGTH = 255;
/** RFC 6901 section 3, without the empty pointer: the arguments as a whole are never a scalar. */
const POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/u;

export function isArgumentPointer(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= MAX_POINTER_LENGTH &&
    value.isWellFormed() &&
    !value.includes('\0') &&
    POINTER.test(value)
  );
}

/** What a pointer goes through, from the outside in. */
export function pointerTokens(pointer: string): readonly string[] {
  // The order of the two matters: "~01" is "~1" (RFC 6901 section 4).
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}
