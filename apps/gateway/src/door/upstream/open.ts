/** A server behind the gateway, from its configuration. */
import type { Upstream } from '../ports.ts';
import type { UpstreamConfig } from './config.ts';
import { httpUpstream } from './http/upstream.ts';
import type { UpstreamPorts } from './ports.ts';
import { stdioUpstream } from './stdio/upstream.ts';

/**
 * Connects to nothing and starts nothing yet: a server that is away does not keep a gateway from starting. Rejects with
 * `TypeError` for a configuration that cannot be used: files that cannot be read, a command that is not there.
 */
export async function openUpstream(config: UpstreamConfig, ports: UpstreamPorts): Promise<Upstream> {
  return config.kind === 'http' ? httpUpstream(config, ports) : stdioUpstream(config, ports);
}
