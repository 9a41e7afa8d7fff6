export { Channel } from './channel.ts';
export type { ChannelCounts, RequestOptions, Response } from './channel.ts';
export { connect } from './connect.ts';
export type { ConnectOptions } from './connect.ts';
export type { Credential } from './credential.ts';
export { ChannelError } from './errors.ts';
export type { ChannelErrorCode, ChannelErrorKind } from './errors.ts';
export type { Carrier, CarrierEvents } from './grpc-carrier.ts';
