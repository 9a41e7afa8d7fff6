export type { Carrier, CarrierEvents } from './carrier.ts';
export { Channel } from './channel.ts';
export type { ChannelCounts, ChannelOptions, RequestOptions, Response } from './channel.ts';
export { connect } from './connect.ts';
export type { ConnectOptions } from './connect.ts';
export type { Credential } from './credential.ts';
export { ChannelError } from './errors.ts';
export type { ChannelErrorCode, ChannelErrorKind, ChannelErrorOptions } from './errors.ts';
