/** `sallyport token [inspect|revoke]`: access tokens of the Model Context Protocol door, for development and automation. */
import type { Command } from 'commander';
import { ChannelError, type Response } from '@sallyport/client';
import { fromUtf8, toHex, utf8 } from '@sallyport/crypto';
import { authv1 } from '@sallyport/proto';
import { withService } from '../connect.ts';
import { CommandFailed, UsageError } from '../exit.ts';
import { oneLine, timeText } from '../format.ts';
import { explain } from '../send/advice.ts';
import { readCredential } from '../send/credential.ts';
import { parseGateways } from '../send/gateways.ts';
import { systemPorts, type SendPorts } from '../send/ports.ts';
import { readProofKey } from '../token/proof-key.ts';
import type { CommandContext, Run } from './context.ts';

const DESTINATION = 'sallyport.token';
const TIMEOUT_MS = 10_000;
const MAX_LIFETIME_SECONDS = 600;
/** A token has some hundred characters. */
const MAX_TOKEN_BYTES = 16 * 1024;

type TokenOptions = {
  audience: string[];
  scope: string[];
  dpop?: string;
  lifetime: string;
  psk?: string;
  as?: string;
  gateway?: string;
};

export function addTokenCommands(program: Command, run: Run, ports: SendPorts = systemPorts): void {
  const token = program
    .command('token')
    .description('Access tokens for the Model Context Protocol door: get one, look at one, end one');
  const several = (value: string, before: string[]): string[] => [...before, value];
  token
    .command('get', { isDefault: true })
    .description('Get an access token for the identity that acts (`get` may be left out)')
    .option(
      '--audience <route or url>',
      'what it is for; may be given again (default: /mcp and every route)',
      several,
      [],
    )
    .option(
      '--scope <scope>',
      'context:read or context:call; may be given again (default: both)',
      several,
      [],
    )
    .option(
      '--dpop <file>',
      'bind it to the private key in this file, a JWK that is made when it is not there',
    )
    .option('--lifetime <time>', 'how long it is good: 30s to 10m', '10m')
    .option('--as <identity>', 'identity to act as: a certificate of the state folder')
    .option('--psk <name or file>', 'act by a pre-shared key, e.g. batch')
    .option('--gateway <addresses>', 'host:port, several with commas (default: all of the running home)')
    .addHelpText(
      'after',
      `
The token is a secret: whoever has one that is bound to no key can use it until it ends.
Without --json it alone goes to standard output; with --json {access_token, token_type, expires_in}.

Examples:
  export TOKEN=$(sallyport token --as alice)
  sallyport token --as alice --audience everything --scope context:read --json
  sallyport token --as alice --dpop alice.jwk --lifetime 5m`,
    )
    .action(run((context: CommandContext, options: TokenOptions) => getToken(context, ports, options)));
  token
    .command('inspect')
    .description('Say whether a token is good now, and what it says')
    .argument(
      '<token>',
      'the token, or - for standard input, where the JSON of `sallyport token --json` does too',
    )
    .option('--as <identity>', 'identity to act as')
    .action(
      run(async (context: CommandContext, _options: object, given = '') =>
        inspectToken(context, await readToken(ports, given)),
      ),
    );
  token
    .command('revoke')
    .description('End the session of a token, at every gateway: no token of it is taken any more')
    .argument('<token>', 'the token, or - for standard input')
    .option('--cause <text>', 'why, for the record', 'revoked by an administrator')
    .option('--as <identity>', 'identity to act as')
    .action(
      run(async (context: CommandContext, options: { cause: string }, given = '') =>
        revokeToken(context, await readToken(ports, given), options.cause),
      ),
    );
}

async function getToken(context: CommandContext, ports: SendPorts, options: TokenOptions): Promise<void> {
  if (options.psk !== undefined && options.as !== undefined)
    throw new UsageError('Give --as or --psk, not both.');
  const lifetime = parseLifetime(options.lifetime);
  const gateways = options.gateway === undefined ? undefined : parseGateways(options.gateway);
  const credential = await readCredential(context, { psk: options.psk });
  const proofKey = options.dpop === undefined ? undefined : await readProofKey(options.dpop);
  if (proofKey?.isNew === true) context.output.note(`Made the private key ${options.dpop}.`);
  const request = {
    ...(options.audience.length === 0 ? {} : { audience: options.audience }),
    ...(options.scope.length === 0 ? {} : { scopes: options.scope }),
    ...(proofKey === undefined ? {} : { dpop_jkt: proofKey.thumbprint }),
    lifetime_seconds: lifetime,
  };
  const { signal } = context;
  let principal: string | undefined;
  try {
    await using channel = await ports.openChannel(context, {
      credential,
      batch: undefined,
      gateways,
      signal,
    });
    principal = channel.principal;
    const response = await channel.request(DESTINATION, utf8(JSON.stringify(request)), {
      contentType: 'application/json',
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    const { access_token, token_type, expires_in, scope } = tokenOf(response);
    context.output.note(
      `${token_type === 'DPoP' ? 'Bound to the key; good' : 'Good'} for ${expires_in} s as ${principal}: ${scope}`,
    );
    context.output.result({ access_token, token_type, expires_in }, access_token);
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error;
    const { kind, code } = error;
    const text =
      code === 'unknown_destination'
        ? 'This gateway has no Model Context Protocol door, so there are no access tokens.'
        : explain(error, { destination: DESTINATION, principal });
    throw new CommandFailed(text, { kind, code });
  }
}

type Answer = {
  readonly access_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly scope: string;
};

/** Throws `CommandFailed` for a refusal, in the gateway's words. */
function tokenOf({ body }: Response): Answer {
  const answer = recordOf(fromUtf8(body) ?? '');
  const { access_token, token_type, expires_in, scope, error, error_description: description } = answer;
  if (typeof error === 'string') {
    const text = typeof description === 'string' ? oneLine(description) : 'it gave no reason';
    throw new CommandFailed(`No token (${oneLine(error)}): ${text}.${adviceOn(error, text)}`, {
      code: error,
    });
  }
  if (
    typeof access_token !== 'string' ||
    typeof token_type !== 'string' ||
    typeof expires_in !== 'number' ||
    typeof scope !== 'string'
  )
    throw new CommandFailed('The gateway answered with something that is no token.', { code: 'malformed' });
  return { access_token, token_type, expires_in, scope };
}

function adviceOn(error: string, text: string): string {
  if (error === 'invalid_target') return ' Routes are those of modelContext.servers in sallyport.yaml.';
  return error === 'invalid_request' && text.includes('dpop_jkt') ? ' Give --dpop <file>.' : '';
}

async function inspectToken(context: CommandContext, accessToken: string): Promise<void> {
  const token = await withService(context, authv1.AuthService, 'auth-service', (client) =>
    client.introspectToken({ accessToken }),
  );
  if (!token.active) {
    context.output.result({ active: false }, 'Not good.');
    throw new CommandFailed(
      'That is not a token of ours that is good now: ended, revoked, or of somebody else.',
      {
        code: 'inactive',
      },
    );
  }
  const value = {
    active: true,
    principal: token.principal,
    tenant: token.tenant,
    clientId: token.clientId,
    audience: token.audience,
    scopes: token.scopes,
    sessionId: toHex(token.sessionId),
    method: token.method,
    issuedAt: timeText(token.issuedAt),
    notAfter: timeText(token.notAfter),
    dpopJkt: token.dpopJkt === '' ? undefined : token.dpopJkt,
    tokenId: token.tokenId,
    keyId: token.keyId,
  };
  const text = [
    `Good until ${value.notAfter}, for ${value.principal} (${value.method}), client ${oneLine(value.clientId)}`,
    `  for      ${value.audience.join(' ')}`,
    `  scopes   ${value.scopes.join(' ')}`,
    `  session  ${value.sessionId}`,
    `  bound to ${value.dpopJkt ?? 'no key: a bearer token'}`,
  ].join('\n');
  context.output.result(value, text);
}

async function revokeToken(context: CommandContext, accessToken: string, cause: string): Promise<void> {
  const { sessionId } = await withService(context, authv1.AuthService, 'auth-service', (client) =>
    client.revokeToken({ accessToken, cause }),
  );
  const revoked = sessionId.length === 0 ? [] : [toHex(sessionId)];
  context.output.result(
    { revoked },
    revoked.length === 0
      ? 'Nothing to end: not a token of ours that is good now.'
      : `Revoked: ${revoked.join()}`,
  );
}

async function readToken(ports: SendPorts, given: string): Promise<string> {
  const text = (given === '-' ? await readAll(ports) : given).trim();
  const token = text.startsWith('{') ? recordOf(text)['access_token'] : text;
  // RFC 7515 section 7.1. What is no token is not quoted: it may be a secret of another kind.
  if (typeof token !== 'string' || !/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/u.test(token))
    throw new UsageError('That is not an access token: three parts in base64url with dots between.');
  return token;
}

async function readAll(ports: SendPorts): Promise<string> {
  const { source } = await ports.openInput('-');
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    parts.push(part);
    length += part.length;
    if (length > MAX_TOKEN_BYTES) throw new UsageError('That is too long for an access token.');
  }
  return Buffer.concat(parts).toString();
}

function recordOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const UNIT_SECONDS = { s: 1, m: 60 } as const;

/** `30s`, `10m`, or seconds. Throws `UsageError`. */
function parseLifetime(text: string): number {
  const [, digits = '', unit = 's'] = /^(\d{1,4})([sm])?$/u.exec(text) ?? [];
  const seconds = Number(digits) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS];
  if (digits === '' || seconds < 1 || seconds > MAX_LIFETIME_SECONDS)
    throw new UsageError(`--lifetime is "${text}"; it must be a time such as 30s or 10m, at most 10m.`);
  return seconds;
}
