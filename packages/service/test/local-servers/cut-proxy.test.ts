import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startCutProxy, type CutProxy } from '../../src/local-servers/index.ts';

let echo: Server;
let proxy: CutProxy;
let atServer = '';
const opened: Socket[] = [];

beforeEach(async () => {
  atServer = '';
  echo = createServer((socket) => {
    opened.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      atServer += chunk.toString();
      socket.write(chunk);
    });
  });
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  proxy = await startCutProxy({ to: { host: '127.0.0.1', port: (echo.address() as AddressInfo).port } });
});
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await proxy.dispose();
  await new Promise((resolve) => echo.close(resolve));
});

function client(): { socket: Socket; received: () => string } {
  const socket = connect(proxy.port, '127.0.0.1');
  opened.push(socket);
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  socket.on('error', () => undefined);
  return { socket, received: () => text };
}
/** Long enough for a wrong byte to arrive. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

test('passes bytes and ends both ways', async () => {
  const { socket, received } = client();
  socket.end('hello');
  await once(socket, 'close');
  expect(received()).toBe('hello');
});

test.each([
  ['to-server', '', ''],
  ['both', '', ''],
  ['to-client', 'held', ''],
] as const)(
  'cut %s: the server sees "%s", the client "%s"; healed, all arrives in order',
  async (direction, server, seen) => {
    const { socket, received } = client();
    socket.write('1');
    await expect.poll(received).toBe('1');
    atServer = '';
    proxy.cut(direction);
    socket.write('held');
    await settle();
    expect([atServer, received().slice(1)]).toEqual([server, seen]);
    socket.write('+more');
    proxy.heal();
    await expect.poll(received).toBe('1held+more');
  },
);

test('a new connection hangs while cut and works when healed', async () => {
  proxy.cut('both');
  const { socket, received } = client();
  socket.write('x');
  await settle();
  expect(atServer).toBe('');
  proxy.heal();
  await expect.poll(received).toBe('x');
});

test('the end of a connection does not pass a cut either', async () => {
  const { socket } = client();
  socket.write('1');
  await expect.poll(() => atServer).toBe('1');
  const atEcho = () => new Promise<number>((resolve) => echo.getConnections((_, count) => resolve(count)));
  proxy.cut('both');
  socket.destroy();
  await settle();
  expect(await atEcho()).toBe(1);
  proxy.heal();
  await expect.poll(atEcho).toBe(0);
});

test('a delay is added each way', async () => {
  const { socket, received } = client();
  proxy.delay(60);
  const start = performance.now();
  socket.write('x');
  await expect.poll(received, { interval: 5 }).toBe('x');
  expect(performance.now() - start).toBeGreaterThanOrEqual(115);
});

test('reset breaks connections off', async () => {
  const { socket } = client();
  socket.write('1');
  await expect.poll(() => atServer).toBe('1');
  const error = once(socket, 'error').catch((thrown: unknown) => [thrown]);
  proxy.reset();
  expect((await error)[0]).toMatchObject({ code: 'ECONNRESET' });
});
