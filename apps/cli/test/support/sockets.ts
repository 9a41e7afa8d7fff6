/** The sockets a process listens on, as the kernel lists them (proc(5): /proc/net/tcp, /proc/pid/fd). */
import { readdir, readFile, readlink } from 'node:fs/promises';

export type Listener = { readonly address: string; readonly port: number; readonly isLoopback: boolean };

const LISTEN = '0A';
/** Addresses are in host byte order, which is little-endian here. */
const LOOPBACK_V6 = ['00000000000000000000000001000000', '0000000000000000FFFF00000100007F'];

/** TCP listeners, and every UDP socket: one of those receives from anywhere. Throws for a process that is gone. */
export async function listenersOf(pid: number): Promise<readonly Listener[]> {
  const inodes = await socketsOf(pid);
  const tables = await Promise.all(
    ['tcp', 'tcp6', 'udp', 'udp6'].map(async (name) => {
      // Not every kernel has IPv6.
      const text = await readFile(`/proc/net/${name}`, 'utf8').catch(() => '');
      return text
        .split('\n')
        .slice(1)
        .map((line) => ({ name, cells: line.trim().split(/\s+/u) }));
    }),
  );
  return tables.flat().flatMap(({ name, cells }) => {
    const [, local = '', , state] = cells;
    if (!inodes.has(cells[9] ?? '')) return [];
    if (name.startsWith('tcp') && state !== LISTEN) return [];
    const [address = '', port = ''] = local.split(':');
    const isLoopback = address.length === 8 ? address.endsWith('7F') : LOOPBACK_V6.includes(address);
    return [{ address, port: Number.parseInt(port, 16), isLoopback }];
  });
}

async function socketsOf(pid: number): Promise<ReadonlySet<string>> {
  const folder = `/proc/${pid}/fd`;
  const links = await Promise.all(
    (await readdir(folder)).map((name) => readlink(`${folder}/${name}`).catch(() => '')),
  );
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/u.exec(link)?.[1] ?? []));
}
