/** Servers of the Model Context Protocol behind the gateway: Streamable HTTP and supervised child processes. */
export type { HttpUpstreamConfig, StdioUpstreamConfig, UpstreamConfig } from './config.ts';
export { upstreamMeters } from './measure.ts';
export { openUpstream } from './open.ts';
export type { UpstreamPorts } from './ports.ts';
