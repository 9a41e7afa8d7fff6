/** policy-service as a process of its own. */
import { runService } from '@sallyport/service/process';
import { composePolicyService } from './compose.ts';
import { policyServiceProcessConfig } from './config.ts';

await runService(
  {
    name: 'policy-service',
    summary: 'roles and who holds them, signed bundles, decisions',
    schema: policyServiceProcessConfig,
    probes: ({ probes }) => probes,
    compose: async (config, runtime, { database }) =>
      composePolicyService(config, runtime, { database: await database(config.database) }),
  },
  process,
);
