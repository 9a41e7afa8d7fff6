/**
 * A client of the Model Context Protocol that nobody here wrote, in a process of its own so that it trusts the gateway as a
 * user's does (`NODE_EXTRA_CA_CERTS`). Reads `StockJob`s as JSON on standard input, writes one `StockAnswer[]` for each.
 */
import { text } from 'node:stream/consumers';
import { createRequire } from 'node:module';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { StockAnswer, StockClientName, StockJob, StockStep } from './stock-clients.ts';

const require = createRequire(import.meta.url);
const CLIENT_INFO = { name: 'stock-client', version: '1.0.0' };

type Content = { readonly type: string; readonly text?: string };
type Connected = {
  readonly client: Pick<ClientV1, 'close'> & {
    listTools(): Promise<{ tools: { name: string }[] }>;
    listResources(): Promise<{ resources: { uri: string }[] }>;
    listPrompts(): Promise<{ prompts: { name: string }[] }>;
    callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
    readResource(given: { uri: string }): Promise<{ contents: { text?: string }[] }>;
    getPrompt(given: { name: string; arguments: Record<string, string> }): Promise<{
      messages: { content: unknown }[];
    }>;
  };
};

async function connect(name: StockClientName, { url, token }: StockJob): Promise<Connected['client']> {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  if (name === 'sdk-v1') {
    const client = new ClientV1(CLIENT_INFO);
    await client.connect(new HttpV1(new URL(url), { requestInit: { headers } }));
    return client as never;
  }
  if (name === 'mcp-remote') {
    const client = new ClientV1(CLIENT_INFO);
    await client.connect(mcpRemote(url, headers));
    return client as never;
  }
  const mode = name === 'client-v2-stateless' ? { pin: '2026-07-28' } : 'legacy';
  const client = new ClientV2(CLIENT_INFO, { versionNegotiation: { mode } });
  await client.connect(new HttpV2(new URL(url), { requestInit: { headers } }));
  return client as never;
}

/** As its README says: headers as arguments, a variable for the value with a space in it. */
function mcpRemote(url: string, headers: Readonly<Record<string, string>>): StdioClientTransport {
  const given = Object.entries(headers).flatMap(([name]) => ['--header', `${name}:\${STOCK_HEADER}`]);
  const env = { ...process.env, STOCK_HEADER: Object.values(headers)[0] ?? '' } as Record<string, string>;
  return new StdioClientTransport({
    command: process.execPath,
    args: [require.resolve('mcp-remote/dist/proxy.js'), url, '--transport', 'http-only', ...given],
    env,
    stderr: 'ignore',
  });
}

async function take(client: Connected['client'], step: StockStep): Promise<StockAnswer> {
  switch (step.kind) {
    case 'tools':
      return { names: (await client.listTools()).tools.map((tool) => tool.name) };
    case 'resources':
      return { names: (await client.listResources()).resources.map((resource) => resource.uri) };
    case 'prompts':
      return { names: (await client.listPrompts()).prompts.map((prompt) => prompt.name) };
    case 'call': {
      const answer = (await client.callTool({ name: step.name, arguments: step.arguments })) as {
        content: Content[];
        isError?: boolean;
      };
      return {
        isError: answer.isError === true,
        text: answer.content.map((each) => each.text ?? '').join(''),
      };
    }
    case 'read':
      return {
        text: (await client.readResource({ uri: step.uri })).contents.map((each) => each.text ?? '').join(''),
      };
    case 'prompt': {
      const { messages } = await client.getPrompt({ name: step.name, arguments: step.arguments });
      return { text: JSON.stringify(messages.map(({ content }) => content)) };
    }
  }
}

async function run(name: StockClientName, job: StockJob): Promise<StockAnswer[]> {
  const answers: StockAnswer[] = [];
  let client: Connected['client'] | undefined;
  try {
    client = await connect(name, job);
    for (const step of job.steps) answers.push(await take(client, step).catch(failed));
  } catch (error) {
    answers.push(failed(error));
  } finally {
    await client?.close().catch(() => undefined);
  }
  return answers;
}

/** What a person would be shown. */
const failed = (error: unknown): StockAnswer => ({ failure: String((error as Error).message) });

const [name] = process.argv.slice(2) as [StockClientName];
const jobs = JSON.parse(await text(process.stdin)) as StockJob[];
const answers: StockAnswer[][] = [];
for (const job of jobs) answers.push(await run(name, job));
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
