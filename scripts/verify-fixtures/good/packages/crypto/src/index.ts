export function isEmpty(bytes: Uint8Array): boolean {
  return bytes.length === 0;
}
