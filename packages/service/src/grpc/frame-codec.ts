/** `message { bytes frame = 1; }` by hand: the layout of both messages of `ChannelService.Connect`. */
import { ScalarType, fromBinary, type DescMessage } from '@bufbuild/protobuf';

// Protobuf encoding: field 1, wire type 2.
const TAG = 0x0a;
const MAX_LENGTH_BYTES = 5;

/** Whether `message` is exactly `{ bytes frame = 1; }`. */
export function isFrameMessage(message: DescMessage): boolean {
  const [field, ...others] = message.fields;
  return (
    others.length === 0 &&
    field?.name === 'frame' &&
    field.number === 1 &&
    field.fieldKind === 'scalar' &&
    field.scalar === ScalarType.BYTES
  );
}

/** The protobuf form. The frame is copied once. */
export function encodeFrame(frame: Uint8Array): Buffer {
  let lengthBytes = 1;
  for (let rest = frame.length >>> 7; rest > 0; rest >>>= 7) lengthBytes += 1;
  const out = Buffer.allocUnsafe(1 + lengthBytes + frame.length);
  out[0] = TAG;
  let rest = frame.length;
  for (let index = 1; index <= lengthBytes; index += 1) {
    out[index] = index < lengthBytes ? (rest & 0x7f) | 0x80 : rest;
    rest >>>= 7;
  }
  out.set(frame, 1 + lengthBytes);
  return out;
}

/**
 * The frame inside a message, a view of `bytes` wherever possible. `undefined` for what is not this message. Other legal
 * encodings of it (nothing at all for an empty frame, unknown fields) take the general way.
 */
export function decodeFrame(bytes: Uint8Array, message: DescMessage): Uint8Array | undefined {
  if (bytes[0] === TAG) {
    let length = 0;
    for (let index = 1; index <= MAX_LENGTH_BYTES; index += 1) {
      const byte = bytes[index];
      if (byte === undefined) return undefined;
      length += (byte & 0x7f) * 2 ** (7 * (index - 1));
      if (byte < 0x80) {
        if (index + 1 + length === bytes.length) return bytes.subarray(index + 1);
        break;
      }
    }
  }
  try {
    const frame: unknown = Reflect.get(fromBinary(message, bytes), 'frame');
    return frame instanceof Uint8Array ? frame : undefined;
  } catch {
    return undefined;
  }
}
