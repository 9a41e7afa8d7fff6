/**
 * Runs in a mount namespace of its own (`unshare --mount`): a NATS server on a disk of 24 MB, filled until it refuses.
 * Says as JSON what publishers heard.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { openNatsBus, type StreamSpec } from '../../src/nats/index.ts';
import { startNatsRig, TESTER } from '../../src/testing/nats.ts';

const disk = process.argv[2] ?? '';
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=711', 'tmpfs', disk]);
process.env['TMPDIR'] = disk;
await using rig = await startNatsRig();
const stream: StreamSpec = {
  name: 'SMALL',
  subjects: ['kept.>'],
  retention: 'workqueue',
  maxBytes: 512 * 1024 * 1024, // more than the disk has: nobody promised it
  maxAgeMs: 600_000,
  deduplicationWindowMs: 120_000,
};
const bus = await openNatsBus({ ...rig.options(TESTER), streams: [stream] });
const idle = await bus.subscribe('kept.a', { durable: 'd' }, async () => undefined);
await idle.unsubscribe();

const publish = (): Promise<string> =>
  bus.publish('kept.a', new Uint8Array(256 * 1024)).then(
    () => 'taken',
    (error: unknown) => (error instanceof Error && 'kind' in error ? String(error.kind) : String(error)),
  );
const heard: Record<string, number> = {};
const slowest: number[] = [];
for (let n = 0; n < 200; n += 1) {
  const start = performance.now();
  const kind = await publish();
  slowest.push(performance.now() - start);
  heard[kind] = (heard[kind] ?? 0) + 1;
}

// The operator makes room and starts it again.
await rig.server.stop();
execFileSync('mount', ['-o', 'remount,size=128m', disk]);
await rig.server.restart();
let after = 'never';
for (let n = 0; n < 100 && after !== 'taken'; n += 1) {
  await sleep(100);
  after = await publish();
}
let received = 0;
await bus.subscribe('kept.a', { durable: 'd', maxInFlight: 16 }, async () => void (received += 1));
for (let last = -1; received !== last;) {
  last = received;
  await sleep(700);
}
await bus.close();
process.stdout.write(JSON.stringify({ heard, slowestMs: Math.max(...slowest), after, received }));
