/** One attempt to connect to one server, and why it failed in words for an operator. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import {
  connect,
  errors,
  type NatsConnection,
  type TlsOptions,
  type UserPass,
} from '@nats-io/transport-node';
import { inboxPrefix, type NatsServer, type ParsedNatsOptions } from './options.ts';
import { probe } from './probe.ts';

export type Dialled =
  | { readonly ok: true; readonly connection: NatsConnection }
  | {
      readonly ok: false;
      /** Names server, user and file; never the password. */
      readonly problem: string;
      /** Waiting does not help: the deployment must be changed. */
      readonly isMisconfigured: boolean;
    };

/** Never rejects; takes at most about twice the connect time-out. */
export async function dial(options: ParsedNatsOptions, server: NatsServer): Promise<Dialled> {
  const at = `the NATS server at ${isIP(server.host) === 6 ? `[${server.host}]` : server.host}:${server.port}`;
  const { user, passwordFile, caFile, connectTimeoutMs } = options;
  const misconfigured = (problem: string): Dialled => ({ ok: false, problem, isMisconfigured: true });

  const password = await readText(passwordFile);
  if (password === undefined) return misconfigured(`the password file ${passwordFile} cannot be read`);
  const ca = caFile === undefined ? undefined : await readText(caFile);
  if (caFile !== undefined && ca === undefined)
    return misconfigured(`the authorities' file ${caFile} cannot be read`);

  const seen = await probe(server, connectTimeoutMs);
  if (!seen.ok)
    return { ok: false, problem: `${at} is not reachable: ${seen.problem}`, isMisconfigured: false };
  if (ca !== undefined && seen.tls === 'none') return misconfigured(`${at} offers no TLS`);

  let isSecured = ca === undefined; // or is not to be
  let isDowngraded = false;
  const login = (): UserPass => {
    // The greeting comes in clear and can talk the library out of TLS: the password is for a server that proved its name.
    isDowngraded = !isSecured;
    if (isDowngraded) throw new Error('no password without TLS');
    isSecured = ca === undefined; // each address that the name has proves it anew
    return { user, pass: password.replace(/\r?\n$/u, '') };
  };

  try {
    const connection = await connect({
      servers: [`${isIP(server.host) === 6 ? `[${server.host}]` : server.host}:${server.port}`],
      name: options.name,
      authenticator: login,
      inboxPrefix: inboxPrefix(options.name),
      tls: ca === undefined ? null : tlsOptions(ca, server.host, () => (isSecured = true)),
      timeout: connectTimeoutMs,
      pingInterval: options.pingIntervalMs,
      maxPingOut: 2,
      // A lost connection is replaced, not revived: what was buffered for it is not sent again by surprise, and a
      // connection whose peer stopped reading cannot hold up its own replacement.
      reconnect: false,
      ignoreClusterUpdates: true,
      noAsyncTraces: true,
    });
    return { ok: true, connection };
  } catch (error) {
    if (isDowngraded) return misconfigured(`${at} offers no TLS`);
    if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError)
      return misconfigured(`${at} refuses the user "${user}" with the password in ${passwordFile}`);
    const code = codeOf(error);
    if (code !== undefined && TLS_DISTRUST.test(code))
      return misconfigured(
        `${at} has a certificate that ${caFile ?? 'no authority'} does not vouch for: ${code}`,
      );
    return { ok: false, problem: `${at} cannot be used: ${code ?? nameOf(error)}`, isMisconfigured: false };
  }
}

/** Codes of OpenSSL's verification and of Node's own check of the name. */
const TLS_DISTRUST =
  /^(?:ERR_TLS_CERT|CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|HOSTNAME_MISMATCH|INVALID_CA)/u;

/** `onVerified` is called when chain and name are good. */
function tlsOptions(ca: string, host: string, onVerified: () => void): TlsOptions {
  const options: TlsOptions & Pick<TlsConnectionOptions, 'checkServerIdentity' | 'minVersion'> = {
    ca,
    minVersion: 'TLSv1.3',
    // The library hands over a connected socket, and Node would compare an address with "localhost".
    checkServerIdentity: (_, certificate) => {
      const problem = checkServerIdentity(host, certificate);
      if (problem === undefined) onVerified();
      return problem;
    },
  };
  return options;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return undefined;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown failure';
}
