/** True when every byte is zero; for public values such as the session id of a ClientHello. */
export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
