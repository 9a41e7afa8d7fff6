/** Tying a handshake or a resume to its TLS connection: what is offered, chosen and hashed (docs/protocol.md section 6.1). */
import { CHANNEL_BINDING } from './constants.ts';
import type { ChannelBinding } from './transcript.ts';

const NOTHING = new Uint8Array(0);

export interface BindingOptions {
  /** The carrier's TLS exporter, where it can be had. */
  readonly exporter?: Uint8Array | undefined;
  /** Never falls back to `none`. */
  readonly isChannelBindingRequired?: boolean | undefined;
}

/** What a client offers, as wire numbers. Throws where it requires what its carrier cannot give. */
export function offeredBindings({ exporter, isChannelBindingRequired }: BindingOptions): number[] {
  const types = exporter === undefined ? [] : [CHANNEL_BINDING['tls-exporter']];
  const offered: number[] = isChannelBindingRequired === true ? types : [...types, CHANNEL_BINDING.none];
  if (offered.length === 0)
    throw new Error('channel binding is required, but the carrier gives no TLS exporter');
  return offered;
}

/** The gateway's choice among what was offered: the exporter wherever it can be had; undefined when nothing is left. */
export function chooseBinding(
  { exporter, isChannelBindingRequired }: BindingOptions,
  offered: readonly number[],
): ChannelBinding | undefined {
  if (exporter !== undefined && offered.includes(CHANNEL_BINDING['tls-exporter'])) {
    return { type: CHANNEL_BINDING['tls-exporter'], value: exporter };
  }
  if (isChannelBindingRequired !== true && offered.includes(CHANNEL_BINDING.none)) {
    return { type: CHANNEL_BINDING.none, value: NOTHING };
  }
  return undefined;
}

/** What a client hashes for the gateway's choice, which it has found among its offers. */
export function bindingOf(type: number, exporter: Uint8Array | undefined): ChannelBinding {
  const isBound = type === CHANNEL_BINDING['tls-exporter'];
  return { type, value: isBound ? (exporter ?? NOTHING) : NOTHING };
}
