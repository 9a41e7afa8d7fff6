/**
 * A producer under load, to be killed: appends in bursts, acknowledges now and then, and notes in a file what it was
 * promised ("appended <seq> <text>") and what it let go ("acknowledged <seq>"). A note, once written, survives the kill.
 */
import { openSync, writeSync } from 'node:fs';
import { argv } from 'node:process';
import { utf8 } from '@sallyport/crypto';
import { openSpool } from '../../src/index.ts';

const [, , directory = '', run = '', notes = ''] = argv;
const file = openSync(notes, 'w');
const spool = await openSpool({ directory, producer: 'load', segmentBytes: 20_000 });
writeSync(1, 'ready\n');
for (let burst = 0; ; burst++) {
  const appends = Array.from({ length: 1 + (burst % 17) }, async (_, i) => {
    const text = `${run}/${burst}/${i}/${'x'.repeat((burst * 31 + i * 7) % 300)}`;
    const { seq } = await spool.append(utf8(text));
    writeSync(file, `appended ${seq} ${text}\n`);
  });
  await Promise.all(appends);
  if (burst % 23 === 22) {
    const through = spool.head - 40n;
    writeSync(file, `acknowledged ${through}\n`);
    if (through >= spool.floor) await spool.acknowledge(through);
  }
}
