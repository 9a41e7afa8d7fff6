/** A server that is a child process: no child ever serves two principals. */
import type { Upstream } from '../../ports.ts';
import { DEFAULTS, type StdioUpstreamConfig } from '../config.ts';
import { conversing } from '../conversing.ts';
import { findCommand } from '../files.ts';
import type { UpstreamPorts } from '../ports.ts';
import { startedChildren } from './children.ts';
import { killOrphans } from './marks.ts';

/** Throws `TypeError` for a command that is not there. */
export function stdioUpstream(config: StdioUpstreamConfig, ports: UpstreamPorts): Upstream {
  if (findCommand(config.command, config.env?.['PATH'] ?? ports.path) === undefined)
    throw new TypeError(`${config.command} is no program that can be run`);
  void killOrphans().then((killed) => {
    if (killed > 0)
      ports.log.warn('processes of a gateway that is no more were ended', {
        route: ports.route,
        processes: killed,
      });
  });
  const {
    maxConcurrent = DEFAULTS.maxConcurrent,
    maxPerPrincipal = DEFAULTS.maxPerPrincipal,
    startTimeoutMs = DEFAULTS.startTimeoutMs,
  } = config;
  return conversing(
    (onEnd) => startedChildren(config, ports, onEnd),
    // The command is fixed: what it speaks does not change while the gateway runs.
    { maxConcurrent, maxPerPrincipal, startTimeoutMs, erasKeptMs: Number.POSITIVE_INFINITY },
    ports,
  );
}
