/** Servers of the Model Context Protocol behind the gateway: Streamable HTTP and supervised child processes. */
export type {
  ChannelUpstreamConfig,
  HttpUpstreamConfig,
  ServersConfig,
  StdioUpstreamConfig,
  UpstreamConfig,
} from './config.ts';
export { upstreamProblems } from './config.ts';
export { upstreamMeters, type UpstreamMeter, type UpstreamMeters } from './measure.ts';
export { openUpstream } from './open.ts';
export type { UpstreamPorts } from './ports.ts';
