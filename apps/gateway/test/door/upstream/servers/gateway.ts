/** A gateway of one server, to be killed: prints the pids of its child and of the child's, and goes on. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '@sallyport/service/clock';
import { createLogger } from '@sallyport/service/log';
import { createMetrics } from '@sallyport/service/metrics';
import { openUpstream, upstreamMeters } from '../../../../src/door/upstream/index.ts';
import { callOf, initialize, messagesOf, request } from '../support.ts';

const [, , script = '', workFolder = ''] = process.argv;
const upstream = await openUpstream(
  { kind: 'stdio', command: process.execPath, args: [script, 'grandchildren', 'deaf'] },
  {
    ...{ route: 'killed', workFolder, path: process.env['PATH'] ?? '' },
    monotonic: () => performance.now(),
    randomBytes: (length) => randomBytes(length),
    log: createLogger({
      service: 'gateway',
      level: 'silent',
      destination: process.stderr,
      clock: systemClock(),
    }),
    meter: upstreamMeters(createMetrics({ service: 'gateway' })).of('killed'),
  },
);
const { sessionId, messages } = await upstream.send(callOf(initialize()));
for await (const _ of messages);
if (sessionId !== undefined) {
  const answer = await messagesOf(await upstream.send(callOf(request('tools/call'), { sessionId })));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
