/** The tools of the scenarios that ask nobody anything. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  fromJsonSchema,
  inputRequired,
  type CallToolResult,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { audio, embedded, image, result, text } from './content.ts';

/** What a scenario sees change when it asks for a change. */
export type Changes = { toolsChanged(): void; promptsChanged(): void };

/** Between two notifications of one call: the scenarios must see them one by one. */
const PAUSE_MS = 50;

const NO_ARGUMENTS = fromJsonSchema({ type: 'object', properties: {}, additionalProperties: false });

/** With the vocabulary of 2020-12 that a server must hand on as it is (SEP-1613, SEP-2106). */
const JSON_SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
} as const;

/** Declared apart: `x-mcp-header` is no keyword of JSON Schema. */
const HEADER_PARAMETERS = {
  region: { type: 'string', 'x-mcp-header': 'Region' },
  priority: { type: 'integer', 'x-mcp-header': 'Priority' },
} as const;

const CONTENT_TOOLS: Readonly<Record<string, CallToolResult['content']>> = {
  test_simple_text: [text('This is a simple text response for testing.')],
  test_image_content: [image],
  test_audio_content: [audio],
  test_embedded_resource: [
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ],
  test_multiple_content_types: [
    text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ],
};

export function addTools(server: McpServer, changes: Changes): void {
  for (const [name, content] of Object.entries(CONTENT_TOOLS)) {
    add(server, name, 'Returns content of a fixed kind', () => ({ content: [...content] }));
  }
  add(server, 'test_error_handling', 'Always fails', () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  add(server, 'test_tool_with_progress', 'Reports how far it is', progress);
  add(server, 'test_tool_with_logging', 'Logs while it runs', logs);
  add(server, 'test_logging_tool', 'Logs, where the request asked for it', logs);
  add(server, 'test_reconnection', 'Ends its stream and answers on the next', async ({ http }) => {
    http?.closeSSE?.();
    await sleep(2 * PAUSE_MS);
    return result(text('Answered after the stream was closed.'));
  });
  add(server, 'test_missing_capability', 'Needs a client that can sample', () =>
    inputRequired({
      inputRequests: {
        answer: inputRequired.createMessage({
          messages: [{ role: 'user', content: text('Say anything.') }],
          maxTokens: 10,
        }),
      },
    }),
  );
  add(server, 'test_trigger_tool_change', 'Changes the list of tools', () => {
    changes.toolsChanged();
    return result(text('The list of tools has changed.'));
  });
  add(server, 'test_trigger_prompt_change', 'Changes the list of prompts', () => {
    changes.promptsChanged();
    return result(text('The list of prompts has changed.'));
  });
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Has a schema of draft 2020-12', inputSchema: fromJsonSchema(JSON_SCHEMA_2020_12) },
    (given) => result(text(JSON.stringify(given))),
  );
  server.registerTool(
    'test_header_parameters',
    {
      description: 'Mirrors arguments into headers (SEP-2243)',
      inputSchema: fromJsonSchema<{ region: string; priority?: number }>({
        type: 'object',
        properties: HEADER_PARAMETERS,
        required: ['region'],
      }),
    },
    ({ region, priority }) => result(text(`region=${region} priority=${priority ?? 'none'}`)),
  );
}

type Answer = CallToolResult | ReturnType<typeof inputRequired>;

export function add(
  server: McpServer,
  name: string,
  description: string,
  run: (context: ServerContext) => Answer | Promise<Answer>,
): void {
  server.registerTool(name, { description, inputSchema: NO_ARGUMENTS }, (_given, context) => run(context));
}

async function progress({ mcpReq }: ServerContext): Promise<CallToolResult> {
  const progressToken = mcpReq._meta?.progressToken;
  for (const [step, done] of [0, 50, 100].entries()) {
    if (step > 0) await sleep(PAUSE_MS);
    if (progressToken !== undefined)
      await mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress: done, total: 100, message: `${done} of 100` },
      });
  }
  return result(text('Done in three steps.'));
}

async function logs({ mcpReq }: ServerContext): Promise<CallToolResult> {
  for (const [step, what] of ['started', 'goes on', 'is completed'].entries()) {
    if (step > 0) await sleep(PAUSE_MS);
    // oxlint-disable-next-line typescript/no-deprecated -- what the scenarios of both eras look for
    await mcpReq.log('info', `Tool execution ${what}`);
  }
  return result(text('Logged three times.'));
}
