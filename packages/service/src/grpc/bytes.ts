/** grpc-js speaks `Buffer`, everything of ours `Uint8Array`: same memory, other methods (`slice` copies in one only). */

/** A view that grpc-js takes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A view that is no `Buffer`, so that none leaks out through the `bytes` fields of a message. */
export function asBytes(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
