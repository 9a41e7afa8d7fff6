/**
 * Preloaded into the processes of a cluster (`--import`): civil time as it is, shifted by what a file says for this process,
 * as a clock that is set. Time that only goes forward (`performance.now`) is as it is, as for such a clock.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** JSON: milliseconds by the name of a process, e.g. `{"gateway-1": 600000}`. */
const file = process.env['CLOCK_SKEW_FILE'];
const config = process.argv[process.argv.indexOf('--config') + 1];
/** The folder of a process's configuration bears its name. */
const name = config === undefined ? '' : basename(dirname(config));
const LOOK_EVERY_MS = 50;

let skewMs = 0;

function look(): void {
  try {
    const all = JSON.parse(readFileSync(file ?? '', 'utf8')) as Record<string, number>;
    skewMs = all[name] ?? 0;
  } catch {
    // Not there yet, or being written: as before.
  }
}

if (file !== undefined && name !== '') {
  look();
  setInterval(look, LOOK_EVERY_MS).unref();
  const now = (): number => RealDate.now() + skewMs;
  const RealDate = Date;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    get: (target, key) => (key === 'now' ? now : (Reflect.get(target, key) as unknown)),
  });
}
