/** audit-service as a process of its own. */
import { runService } from '@sallyport/service/process';
import { composeAuditService } from './compose.ts';
import { auditServiceProcessConfig } from './config.ts';

await runService(
  {
    name: 'audit-service',
    summary: 'the tamper-evident log: takes events, signs checkpoints, answers',
    schema: auditServiceProcessConfig,
    probes: ({ probes }) => probes,
    compose: async (config, runtime, { database }) =>
      composeAuditService(config, runtime, { database: await database(config.database) }),
  },
  process,
);
