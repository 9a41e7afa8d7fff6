/** auth-service as a process of its own. */
import { runService } from '@sallyport/service/process';
import { composeAuthService } from './compose.ts';
import { authServiceProcessConfig } from './config.ts';

await runService(
  {
    name: 'auth-service',
    summary: 'who somebody is: handshakes, pre-shared keys, sessions',
    schema: authServiceProcessConfig,
    probes: ({ probes }) => probes,
    compose: async (config, runtime, { database }) =>
      composeAuthService({ ...config, anchors: { file: config.anchorsFile } }, runtime, {
        database: await database(config.database),
      }),
  },
  process,
);
