/** One look at each Redis of a configuration, in Redis's own protocol (RESP, https://redis.io/docs/latest/develop/reference/protocol-spec/). */
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readPassword, serverOf } from '@sallyport/service/process';
import type { RedisSection } from '../cluster/backends.ts';
import { CommandFailed } from '../exit.ts';

export type RedisNode = {
  readonly address: string;
  readonly version: string;
  readonly evictionPolicy: string;
};

const TIMEOUT_MS = 3_000;
/** More than any INFO. */
const MAX_REPLY_BYTES = 256 * 1024;

/** Every node, or the master that the sentinels name. Throws `CommandFailed`, saying which one and what it said. */
export async function lookAtRedis(section: RedisSection): Promise<readonly RedisNode[]> {
  if (section.kind !== 'sentinel') return Promise.all(section.nodes.map((address) => look(section, address)));
  const [sentinel = ''] = section.nodes;
  const reply = await ask(section, sentinel, `SENTINEL get-master-addr-by-name ${section.name ?? ''}`);
  const [, host, , port] = /\$\d+\r\n([^\r]+)\r\n(\$\d+)\r\n(\d+)/u.exec(reply) ?? [];
  if (host === undefined || port === undefined)
    throw new CommandFailed(`the sentinel at ${sentinel} knows no master "${section.name ?? ''}"`);
  return [await look(section, `${host}:${port}`)];
}

async function look(section: RedisSection, address: string): Promise<RedisNode> {
  const info = await ask(section, address, 'INFO everything');
  const value = (key: string): string =>
    new RegExp(`^${key}:(.*)$`, 'mu').exec(info)?.[1]?.trim() ?? 'unknown';
  return { address, version: value('redis_version'), evictionPolicy: value('maxmemory_policy') };
}

/** What the server answers to `command` after letting us in. */
function ask(section: RedisSection, address: string, command: string): Promise<string> {
  const { host, port } = serverOf(address);
  const failed = (why: string): CommandFailed => new CommandFailed(`Redis at ${address}: ${why}`);
  return new Promise((resolve, reject) => {
    const socket: Socket =
      section.caFile === undefined
        ? connectTcp({ host, port })
        : connectTls({
            host,
            port,
            servername: host === '127.0.0.1' ? 'localhost' : host,
            ca: readFileSync(section.caFile),
            minVersion: 'TLSv1.3',
          });
    const end = (outcome: () => void): void => {
      socket.destroy();
      outcome();
    };
    let received = '';
    socket.setTimeout(TIMEOUT_MS, () => end(() => reject(failed(`no answer within ${TIMEOUT_MS} ms`))));
    socket.on('error', (error) => end(() => reject(failed(error.message))));
    socket.on(section.caFile === undefined ? 'connect' : 'secureConnect', () => {
      socket.write(`AUTH ${section.username} ${readPassword(section.passwordFile)}\r\n${command}\r\n`);
    });
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
      const first = received.indexOf('\r\n');
      const reply = received.slice(first + 2);
      const refusal = /^-(.*)\r$/mu.exec(received);
      if (refusal !== null) return end(() => reject(failed(`it refuses: ${refusal[1] ?? ''}`)));
      if (first >= 0 && isComplete(reply)) return end(() => resolve(reply));
      if (received.length > MAX_REPLY_BYTES) end(() => reject(failed('it answers something else')));
    });
  });
}

/** A bulk string as long as it says, or an array of two of them. */
function isComplete(reply: string): boolean {
  const [, length] = /^\$(\d+)\r\n/u.exec(reply) ?? [];
  if (length !== undefined) return Buffer.byteLength(reply) >= length.length + 3 + Number(length) + 2;
  return (
    /^\*(?:-1|2\r\n(?:\$\d+\r\n[^\r]*\r\n){2})/u.test(reply) || /^\*-1\r\n|^_\r\n|^\$-1\r\n/u.test(reply)
  );
}
