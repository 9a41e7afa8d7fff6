export type { Carrier, CarrierEvents } from './carrier.ts';
export { Channel } from './channel.ts';
export { connect, Connection, openConnection } from './connect.ts';
export type { ConnectionOptions, ConnectOptions, OpenOptions } from './connect.ts';
export type { Credential } from './credential.ts';
export { ChannelError } from './errors.ts';
export type { ChannelErrorCode, ChannelErrorKind, ChannelErrorOptions } from './errors.ts';
export type { ChannelCounts, ChannelOptions, RequestOptions, Response } from './request.ts';
export type { ClientSpan, ClientTracer } from './tracing.ts';
