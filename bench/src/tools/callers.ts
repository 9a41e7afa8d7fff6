/** Clients of an echo tool, as plain as can be and the same for all that is measured: sessions of revision 2025-11-25. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

export type Caller = AsyncDisposable & {
  /** Milliseconds from the request to the whole answer; rejects unless the answer is the echo. */
  call(text: string): Promise<number>;
};

export type Credential = {
  /** Of one request; made before its time is taken, since making them is no work of what is measured. */
  headers(method: 'POST' | 'DELETE', url: string): Promise<Readonly<Record<string, string>>>;
  /** What later proofs must bear (RFC 9449 section 8). */
  takeNonce(nonce: string): void;
};

export type HttpTarget = { readonly url: string; readonly ca?: string; readonly credential?: Credential };

const REVISION = '2025-11-25';
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: REVISION, capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } },
};
const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' };

const callOf = (id: number, text: string) =>
  ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'echo', arguments: { text } } }) as const;

type Answer = {
  readonly id?: number;
  readonly result?: { content?: { text?: string }[]; isError?: boolean };
};

function verify(answer: Answer | undefined, id: number, text: string): void {
  const content = answer?.result?.content?.[0]?.text;
  if (answer?.id !== id || answer.result?.isError === true || content !== text)
    throw new Error(`not the echo: ${JSON.stringify(answer).slice(0, 500)}`);
}

/** Connections that are kept: as many as requests may be under way. */
export function openPool(target: HttpTarget, connections: number): Pool {
  const { origin } = new URL(target.url);
  return new Pool(origin, {
    connections,
    pipelining: 1,
    ...(target.ca === undefined ? {} : { connect: { ca: target.ca } }),
  });
}

export async function openHttpSession(pool: Pool, { url, credential }: HttpTarget): Promise<Caller> {
  const path = new URL(url).pathname;
  let sessionId: string | undefined;
  let nextId = 1;

  async function post(message: object, isAgain = false): Promise<{ body: string; type: string; ms: number }> {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId, 'mcp-protocol-version': REVISION }),
      ...(await credential?.headers('POST', url)),
    };
    const payload = JSON.stringify(message);
    const startedAt = performance.now();
    const response = await pool.request({ path, method: 'POST', headers, body: payload });
    const body = await response.body.text();
    const ms = performance.now() - startedAt;
    const nonce = response.headers['dpop-nonce'];
    if (response.statusCode === 401 && typeof nonce === 'string' && !isAgain) {
      credential?.takeNonce(nonce);
      return post(message, true);
    }
    if (response.statusCode >= 300) throw new Error(`${url}: ${response.statusCode} ${body.slice(0, 500)}`);
    const given = response.headers['mcp-session-id'];
    if (typeof given === 'string') sessionId = given;
    return { body, type: String(response.headers['content-type']), ms };
  }

  await post(INITIALIZE);
  await post(INITIALIZED);
  return {
    async call(text) {
      const id = nextId;
      nextId += 1;
      const { body, type, ms } = await post(callOf(id, text));
      verify(type.startsWith('text/event-stream') ? lastEvent(body) : (JSON.parse(body) as Answer), id, text);
      return ms;
    },
    async [Symbol.asyncDispose]() {
      if (sessionId === undefined) return;
      const headers = { 'mcp-session-id': sessionId, ...(await credential?.headers('DELETE', url)) };
      await pool.request({ path, method: 'DELETE', headers }).then(({ body }) => body.dump(), ignore);
    },
  };
}

/** The response is the last event of its stream. */
function lastEvent(body: string): Answer | undefined {
  const data = body.split('\n').findLast((line) => line.startsWith('data: {'));
  return data === undefined ? undefined : (JSON.parse(data.slice('data: '.length)) as Answer);
}

/** A stdio server spoken to directly: no HTTP at all. */
export async function openStdioSession(command: string, args: readonly string[]): Promise<Caller> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = new Map<number, (answer: Answer) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    waiting.get(answer.id ?? -1)?.(answer);
  });
  let nextId = 1;
  const ask = async (id: number, message: object): Promise<{ answer: Answer; ms: number }> => {
    const answered = Promise.withResolvers<Answer>();
    waiting.set(id, answered.resolve);
    const payload = `${JSON.stringify(message)}\n`;
    const startedAt = performance.now();
    child.stdin.write(payload);
    const answer = await answered.promise;
    waiting.delete(id);
    return { answer, ms: performance.now() - startedAt };
  };
  await ask(0, INITIALIZE);
  child.stdin.write(`${JSON.stringify(INITIALIZED)}\n`);
  return {
    async call(text) {
      const id = nextId;
      nextId += 1;
      const { answer, ms } = await ask(id, callOf(id, text));
      verify(answer, id, text);
      return ms;
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'close');
      child.kill();
      await gone;
    },
  };
}

const ignore = (): void => undefined;
