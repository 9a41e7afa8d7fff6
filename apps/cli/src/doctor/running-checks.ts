/** What doctor asks of the running system: readiness, every service by name, policy, the audit log. */
import { request } from 'node:https';
import { connect } from 'node:tls';
import { auditv1, authv1, keyv1, policyv1 } from '@sallyport/proto';
import type { CommandContext } from '../commands/context.ts';
import { readPins } from '../audit/pins.ts';
import { withService } from '../connect.ts';
import { oneLine } from '../format.ts';
import { readIfPresent } from '../state/files.ts';
import { notice, ok, problem, RUNNING, type Check, type Verdict } from './check.ts';

const PROBE_TIMEOUT_MS = 3_000;

export function runningChecks(context: CommandContext): readonly Check[] {
  const running = (name: string, run: () => Promise<Verdict>): Check => ({ name, needsRunning: true, run });
  return [
    { name: RUNNING, needsRunning: false, run: () => isRunning(context) },
    running('transport', () => transport(context)),
    running('readiness', () => readiness(context)),
    running('access tokens', () => accessTokens(context)),
    running('key-service', () => keyService(context)),
    running('auth-service', () => authService(context)),
    running('policy-service', () => policyService(context)),
    running('tools', () => tools(context)),
    running('audit-service', () => auditService(context)),
  ];
}

async function isRunning(context: CommandContext): Promise<Verdict> {
  const { ports } = context.home;
  const alive = await probe(context, '/healthz').catch((error: unknown) => error as NodeJS.ErrnoException);
  if (!(alive instanceof Error)) return ok(`the gateway answers on https://localhost:${ports.https}`);
  if (alive.code === 'ECONNREFUSED') {
    return problem(
      `nothing listens on port ${ports.https}`,
      'Start it with npm start. If it runs elsewhere, name it with --home and --port-base.',
    );
  }
  return problem(
    `what listens on port ${ports.https} is not this Sallyport: ${alive.message}`,
    'Another program may have the port: set SALLYPORT_PORT_BASE for both, or stop it.',
  );
}

/** Every port must be there and must refuse what came before TLS 1.3. */
async function transport({ home }: CommandContext): Promise<Verdict> {
  const ports = Object.entries(home.ports);
  const found = await Promise.all(
    ports.map(async ([name, port]) => [name, port, await offerOldTls(port)] as const),
  );
  const absent = found.filter(([, , answer]) => answer === 'nobody');
  if (absent.length > 0) {
    return problem(
      `nothing listens on ${absent.map(([name, port]) => `port ${port} (${name})`).join(', ')}`,
      'The log of the running system has the cause; start it again.',
    );
  }
  const old = found.filter(([, , answer]) => answer === 'accepted');
  if (old.length > 0) {
    return problem(
      `TLS 1.2 is accepted on ${old.map(([name, port]) => `port ${port} (${name})`).join(', ')}`,
      'Something else answers there, or stands in between: Sallyport speaks TLS 1.3 only.',
    );
  }
  return ok(`all ${found.length} ports refuse what is older than TLS 1.3`);
}

function offerOldTls(port: number): Promise<'accepted' | 'refused' | 'nobody'> {
  return new Promise((resolve) => {
    // Who answers does not matter here, only how; nothing is sent.
    const socket = connect({ host: '127.0.0.1', port, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
    const end = (answer: 'accepted' | 'refused' | 'nobody'): void => {
      resolve(answer);
      socket.destroy();
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end('nobody'));
    socket.on('secureConnect', () => end('accepted'));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? 'nobody' : 'refused'),
    );
  });
}

async function readiness(context: CommandContext): Promise<Verdict> {
  const { status, body } = await probe(context, '/readyz');
  const checks = checksOf(body);
  if (status === 200) {
    const noted = checks.flatMap(({ name, note }) => (note === undefined ? [] : [`${name}: ${note}`]));
    if (noted.length === 0) return ok('every part is ready');
    return notice(
      `every part is ready; ${noted.join('; ')}`,
      'Only what is named is affected. The log of the running system has the causes.',
    );
  }
  const open = checks.filter((check) => !check.ok);
  const says = open.map((check) => `${check.name}: ${check.problem ?? 'not ready'}`).join('; ');
  return problem(
    says === '' ? `/readyz answers ${status}` : says,
    'The log of the running system has the causes.',
  );
}

/** What the door takes is in the metadata that every client reads (RFC 9728). */
async function accessTokens(context: CommandContext): Promise<Verdict> {
  const { status, body } = await probe(context, '/.well-known/oauth-protected-resource/mcp');
  if (status === 404) return ok('there is no Model Context Protocol door to use them at');
  const isBound = boundTokensRequired(body);
  if (status !== 200 || isBound === undefined)
    return problem(
      `the door does not say which tokens it takes: its metadata answers ${status}`,
      'Something else answers on that port, or stands in between.',
    );
  if (isBound) return ok('tokens count only with a proof of the key that they are bound to (DPoP)');
  return notice(
    'BEARER TOKENS ARE TAKEN at the Model Context Protocol door: whoever has seen one can use it until it ends',
    'Fine on this machine alone. Elsewhere set modelContext.allowBearerTokens: false in sallyport.yaml.',
  );
}

/** Undefined for what is no such document. */
function boundTokensRequired(body: string): boolean | undefined {
  try {
    const document = JSON.parse(body) as { resource?: unknown; dpop_bound_access_tokens_required?: unknown };
    if (typeof document.resource !== 'string') return undefined;
    return document.dpop_bound_access_tokens_required === true;
  } catch {
    return undefined;
  }
}

type PartCheck = {
  readonly name: string;
  readonly ok: boolean;
  readonly problem?: string;
  readonly note?: string;
};

/** None where the body is not a report, e.g. from a proxy. */
function checksOf(body: string): readonly PartCheck[] {
  try {
    return (JSON.parse(body) as { checks?: PartCheck[] }).checks ?? [];
  } catch {
    return [];
  }
}

async function keyService(context: CommandContext): Promise<Verdict> {
  const { keys } = await withService(context, keyv1.KeyService, 'key-service', (client) =>
    client.listKeys({}),
  );
  if (keys.length === 0) return problem('there are no keys', 'The log of key-service has the cause.');
  const idle = keys.filter(({ versions }) => !versions.some(({ state }) => state === keyv1.KeyState.ACTIVE));
  if (idle.length === 0) return ok(`${keys.length} keys, each with an active version`);
  const names = idle.map(({ name }) => name).join(', ');
  return problem(`without an active version: ${names}`, 'sallyport keys rotate <name> makes one.');
}

async function authService(context: CommandContext): Promise<Verdict> {
  const { sessions } = await withService(context, authv1.AuthService, 'auth-service', (client) =>
    client.listSessions({ pageSize: 1 }),
  );
  return ok(sessions.length === 0 ? 'answers; no open session' : 'answers; sessions are open');
}

async function policyService(context: CommandContext): Promise<Verdict> {
  const status = await withService(context, policyv1.PolicyService, 'policy-service', (client) =>
    client.getStatus({}),
  );
  const behind = status.instances.filter(({ revision }) => revision < status.revision);
  if (status.instances.length === 0) {
    return problem(
      'no gateway has reported a policy revision',
      'A gateway without a bundle denies everything: see its log.',
    );
  }
  if (behind.length > 0) {
    const names = behind.map(({ instance, revision }) => `${instance} at ${revision}`).join(', ');
    return notice(
      `revision ${status.revision} is in force, but ${names}`,
      'Gateways poll every 5 s; run doctor again.',
    );
  }
  return ok(`every gateway runs policy revision ${status.revision}`);
}

/** The first page is enough to say that somebody has to look. */
async function tools(context: CommandContext): Promise<Verdict> {
  const { tools: waiting } = await withService(context, policyv1.PolicyService, 'policy-service', (client) =>
    client.listTools({ changedOnly: true }),
  );
  if (waiting.length === 0) return ok('no definition of a tool waits for a decision');
  const [first] = waiting;
  const more = waiting.length === 1 ? '' : ` and ${waiting.length - 1} more`;
  return notice(
    `held back until somebody decides: ${first?.route} ${oneLine(first?.tool ?? '')}${more}`,
    'sallyport tools list --changed, then tools show, approve or reject.',
  );
}

async function auditService(context: CommandContext): Promise<Verdict> {
  const { findings, verifierKey, checkpoint } = await withService(
    context,
    auditv1.AuditService,
    'audit-service',
    (client) => client.getCheckpoint({}),
  );
  if (findings.length > 0) {
    return problem(
      `the log does not fit together: ${findings.join('; ')}`,
      'sallyport audit verify names every place.',
    );
  }
  if ((await readIfPresent(context.home.logKeyFile)) === undefined) {
    return problem(`${context.home.logKeyFile} is missing`, 'The next npm start pins it anew.');
  }
  const { current: pinned } = await readPins(context.home.logKeyFile);
  if (pinned !== verifierKey) {
    return problem(
      `the log is signed by ${verifierKey}, and ${pinned} was pinned`,
      'If nobody rotated the key of the log, somebody replaced the log.',
    );
  }
  return ok(`checkpoint of size ${checkpoint.split('\n')[1] ?? '?'}, signed by the pinned key`);
}

function probe(context: CommandContext, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    void readIfPresent(context.home.caFile).then((ca) => {
      const call = request(
        {
          host: '127.0.0.1',
          servername: 'localhost',
          port: context.home.ports.https,
          path,
          timeout: PROBE_TIMEOUT_MS,
          agent: false,
          ...(ca === undefined ? {} : { ca }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
          );
        },
      );
      call.on('timeout', () => call.destroy(new Error(`no answer within ${PROBE_TIMEOUT_MS} ms`)));
      call.on('error', reject);
      call.end();
    }, reject);
  });
}
