/** Another process that keeps the disk busy: appends to the file it is given and syncs it, again and again. */
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { argv } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const WRITE_BYTES = 16_384;
const PAUSE_MS = 2;

const file = openSync(argv[2] ?? '', 'w');
const bytes = new Uint8Array(WRITE_BYTES).fill(1);
for (;;) {
  writeSync(file, bytes);
  fdatasyncSync(file);
  await sleep(PAUSE_MS);
}
