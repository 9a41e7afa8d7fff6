/** Entry of the `sallyport` command. The only file here that touches `process`. */
import { run } from './program.ts';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second signal means: now.
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort(signal);
  });
}
// A reader that went away (`| head`) is not an error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await run({
  args: process.argv.slice(2),
  env: process.env,
  out: process.stdout,
  err: process.stderr,
  signal: interrupted.signal,
});
// Whatever still holds the loop open (a keep-alive connection) must not keep a finished command alive.
process.stdout.write('', () => process.exit());
