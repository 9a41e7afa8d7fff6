/**
 * TH(f): the hash of all handshake plaintext before a field (docs/protocol.md section 6.1).
 *
 * A message enters as u8 type ‖ u32 length of its whole plaintext body ‖ body. The length is known before the fields
 * that sign it are, because those have fixed sizes. Lengths in front make the encoding injective: no two different
 * handshakes hash alike.
 */
import { RunningSha256 } from '@sallyport/crypto';
import type { FrameType } from './constants.ts';
import { lp, u32 } from './wire.ts';

const CHANNEL_BINDING_MARK = 0xcb;

export interface ChannelBinding {
  /** Wire number of the type. */
  readonly type: number;
  /** The exporter's bytes; empty for type none. */
  readonly value: Uint8Array;
}

export class Transcript {
  readonly #hash = new RunningSha256();

  /** Opens a message whose plaintext body will have `length` bytes. */
  begin(type: FrameType, length: number): this {
    this.#hash.update(Uint8Array.of(type));
    this.#hash.update(u32(length));
    return this;
  }

  append(bytes: Uint8Array): this {
    this.#hash.update(bytes);
    return this;
  }

  /** Stands directly after the clear part of ServerHello. */
  bindChannel(binding: ChannelBinding): this {
    this.#hash.update(Uint8Array.of(CHANNEL_BINDING_MARK, binding.type));
    this.#hash.update(lp(binding.value));
    return this;
  }

  /** TH of everything so far. */
  hash(): Uint8Array {
    return this.#hash.digest();
  }
}
