/** A server behind Streamable HTTP. */
import type { Upstream } from '../../ports.ts';
import type { HttpUpstreamConfig } from '../config.ts';
import type { UpstreamPorts } from '../ports.ts';

export function httpUpstream(_config: HttpUpstreamConfig, _ports: UpstreamPorts): Upstream {
  throw new TypeError('servers behind Streamable HTTP are not here yet');
}
