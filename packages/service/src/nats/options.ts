/** What a connection to NATS needs. Parsed once, when it is opened: a value that is not valid throws `BusError` (`invalid`). */
import { BusError } from '../bus/index.ts';
import type { Log } from '../log/index.ts';

export interface NatsOptions {
  /** Name of the client: it shows in the server's connection list, and its replies come on `_INBOX_<name>.>`. */
  readonly name: string;
  /** `host:port`, `nats://host:port` or `tls://host:port`; tried in turn. At least one, without credentials. */
  readonly servers: readonly string[];
  readonly user: string;
  /** Read at every connection, so that a changed password takes effect. Its last line end is not part of it. */
  readonly passwordFile: string;
  /** Authorities that the server's certificate must come from. Required unless `allowInsecurePlaintext`. */
  readonly caFile?: string;
  /** Passwords and messages unprotected on the wire: for a network that is one machine. */
  readonly allowInsecurePlaintext?: boolean;
  readonly log: Log;
  /** One attempt to connect, handshake included. Default 2000. */
  readonly connectTimeoutMs?: number;
  /** Between pings; after two without an answer the connection counts as dead. Default 2000. */
  readonly pingIntervalMs?: number;
}

export interface NatsServer {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface ParsedNatsOptions extends Omit<NatsOptions, 'servers'> {
  readonly servers: readonly NatsServer[];
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/u;
const DEFAULT_PORT = 4222;

export function parseNatsOptions(options: NatsOptions): ParsedNatsOptions {
  const { name, servers, caFile, allowInsecurePlaintext = false } = options;
  if (!NAME.test(name)) throw new BusError('invalid', `the name of a NATS client must match ${NAME.source}`);
  if (servers.length === 0) throw new BusError('invalid', 'a NATS connection needs at least one server');
  if (caFile === undefined && !allowInsecurePlaintext)
    throw new BusError('invalid', 'a NATS connection needs caFile: without TLS its password is readable');
  return {
    ...options,
    servers: servers.map(parseNatsServer),
    connectTimeoutMs: options.connectTimeoutMs ?? 2000,
    pingIntervalMs: options.pingIntervalMs ?? 2000,
  };
}

/** Throws `BusError` (`invalid`) for anything but a host and a port. The message does not repeat credentials. */
export function parseNatsServer(text: string): NatsServer {
  const refused = (why: string) => new BusError('invalid', `a NATS server is host:port: ${why}`);
  if (text.includes('@')) throw refused('credentials belong into user and passwordFile');
  const match = /^(?:(?:nats|tls):\/\/)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/u.exec(text);
  if (match?.[1] === undefined) throw refused(`${JSON.stringify(text.slice(0, 255))} is not`);
  const port = match[2] === undefined ? DEFAULT_PORT : Number(match[2]);
  if (port < 1 || port > 65_535) throw refused(`port ${port} does not exist`);
  return { host: match[1].replaceAll(/[[\]]/gu, ''), port };
}

/** The prefix of everything that answers this client; its permissions let it hear no other. */
export function inboxPrefix(name: string): string {
  return `_INBOX_${name}`;
}
