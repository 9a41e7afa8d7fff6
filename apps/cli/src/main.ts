/** Entry of the `sallyport` command. The only file here that touches `process`. */
import { run } from './program.ts';

const interrupted = new AbortController();
/** A terminal's Ctrl-C reaches the whole process group, npm forwards it again: what comes this close together is one. */
const SAME_SIGNAL_MS = 1_000;
let firstSignalAt: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    firstSignalAt ??= performance.now();
    interrupted.abort(signal);
    // A second one means: now.
    if (performance.now() - firstSignalAt > SAME_SIGNAL_MS) process.exit(130);
  });
}
// A reader that went away (`| head`) is not an error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await run({
  args: process.argv.slice(2),
  openInput: () => process.stdin,
  env: process.env,
  out: process.stdout,
  err: process.stderr,
  signal: interrupted.signal,
});
// Whatever still holds the loop open (a keep-alive connection) must not keep a finished command alive.
process.stdout.write('', () => process.exit());
