/** `node main.ts [port]`: serves until it is told to stop, prints its address. By `--stdio` on standard input and output. */
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { startConformanceServer } from './http.ts';
import { conformanceServer } from './server.ts';

const [given] = process.argv.slice(2);
if (given === '--stdio') {
  serveStdio(() => conformanceServer());
} else {
  const server = await startConformanceServer(Number(given ?? 0));
  process.stdout.write(`${server.url}\n`);
  const stop = (): void => void server[Symbol.asyncDispose]().then(() => process.exit(0));
  process.once('SIGINT', stop).once('SIGTERM', stop);
}
