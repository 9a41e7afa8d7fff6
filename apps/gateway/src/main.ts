/** The gateway as a process of its own. */
import { runService } from '@sallyport/service/process';
import { composeGateway } from './compose.ts';
import { redisReplayGuard } from './guard/redis.ts';
import { channelIdentityOf, gatewayConfig, gatewayProcessConfig, redisTargetOf } from './process-config.ts';

await runService(
  {
    name: 'gateway',
    summary: 'the edge: the secure channel, the replay guard, decisions, routes',
    schema: gatewayProcessConfig,
    probes: ({ httpsHost: host, httpsPort: port }) => ({ host, port }),
    compose: (config, runtime, { probes, readiness }) =>
      composeGateway(gatewayConfig(config), runtime, {
        channelIdentity: channelIdentityOf(config),
        guard: redisReplayGuard(redisTargetOf(config)),
        probes,
        readiness,
      }),
  },
  process,
);
