/** A server that is a child process. */
import type { Upstream } from '../../ports.ts';
import type { StdioUpstreamConfig } from '../config.ts';
import type { UpstreamPorts } from '../ports.ts';

export function stdioUpstream(_config: StdioUpstreamConfig, _ports: UpstreamPorts): Upstream {
  throw new TypeError('child processes are not here yet');
}
