/** Numbers of the wire format; docs/protocol.md is their specification. */

export const PROTOCOL_VERSION = 1;

/** docs/protocol.md section 3: frame types. */
export const FRAME_TYPE = Object.freeze({
  clientHello: 0x01,
  serverHello: 0x02,
  clientAuth: 0x03,
  accept: 0x04,
  resumeHello: 0x05,
  resumeAnswer: 0x06,
  reject: 0x07,
  messages: 0x10,
  alert: 0x7f,
});
export type FrameType = (typeof FRAME_TYPE)[keyof typeof FRAME_TYPE];

export const SID_LENGTH = 16;
export const NONCE_LENGTH = 16;
export const HELLO_NONCE_LENGTH = 32;
export const CORRELATION_LENGTH = 16;
export const PSK_ID_LENGTH = 16;
/** ver ‖ type ‖ sid */
export const FRAME_HEADER_LENGTH = 2 + SID_LENGTH;

/** Ceilings; what Accept announces may be lower, never higher. docs/protocol.md section 3. */
export const MAX_FRAME_BYTES = 1024 * 1024;
export const MAX_HANDSHAKE_BYTES = 16 * 1024;
export const MAX_HEADER_BYTES = 2048;
export const MAX_MESSAGES_PER_FRAME = 256;
export const MAX_CERTIFICATES = 4;
export const MAX_BINDING_BYTES = 4096;
/** Messages of one epoch in one direction. */
export const MAX_EPOCH_MESSAGES = 2 ** 20;
/** Half of the receive window: how far a sequence may lie behind (exclusive) or ahead (inclusive) of the highest accepted. */
export const WINDOW_SPAN = 1024;
export const MAX_UNACKNOWLEDGED = 512;
/** How far `sent_at` may lie from the receiver's gateway time, either way. */
export const FRESHNESS_MS = 30_000;
/** A new epoch is due at this age, or at 7/8 of its messages. */
export const EPOCH_AGE_MS = 15 * 60_000;

export const DIRECTION = Object.freeze({ c2s: 0, s2c: 1 });
export type Direction = keyof typeof DIRECTION;

export const METHOD = Object.freeze({ certificate: 1, psk: 2 }); // 3 (token) is reserved
export type Method = keyof typeof METHOD;

export const CHANNEL_BINDING = Object.freeze({ none: 0, 'tls-exporter': 1 });
export type ChannelBindingType = keyof typeof CHANNEL_BINDING;
/** RFC 9266 construction under our own label; TLS 1.3 only. */
export const EXPORTER_LABEL = 'EXPORTER-Sallyport-Channel';
export const EXPORTER_LENGTH = 32;

export const KIND = Object.freeze({ request: 1, response: 2, refusal: 3, notification: 4, control: 5 });
export type Kind = keyof typeof KIND;

/** The name that has this number in one of the tables above, or undefined. */
export function nameOf<Name extends string>(
  table: Readonly<Record<Name, number>>,
  value: number,
): Name | undefined {
  for (const name in table) if (table[name] === value) return name;
  return undefined;
}
