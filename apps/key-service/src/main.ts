/** key-service as a process of its own. */
import { runService } from '@sallyport/service/process';
import { composeKeyService } from './compose.ts';
import { keyServiceProcessConfig } from './config.ts';

await runService(
  {
    name: 'key-service',
    summary: 'the key hierarchy: wraps, signs, leases and erases',
    schema: keyServiceProcessConfig,
    probes: ({ probes }) => probes,
    compose: async (config, runtime, { database }) =>
      composeKeyService(config, runtime, { database: await database(config.database) }),
  },
  process,
);
