/** Seven free ports in a row, which is what one Sallyport takes. */
import { createServer } from 'node:net';

const PORTS = 7;
// Below the range from which the kernel takes ports for outgoing connections (ip_local_port_range: from 32768).
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** The first of seven ports that were free a moment ago. Test files run side by side: each draws at random. */
export async function freePortBase(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const base = LOWEST + PORTS * Math.floor((Math.random() * (HIGHEST - LOWEST)) / PORTS);
    const free = await Promise.all(Array.from({ length: PORTS }, (_, offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no seven free ports in a row');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
