/**
 * A server that has everything which the scenarios of `@modelcontextprotocol/conformance` call, on the official SDK: what
 * goes wrong between it and the suite is the SDK's or the gateway's doing, never ours.
 */
import { randomBytes } from 'node:crypto';
import { createRequestStateCodec, McpServer, type CompleteResult } from '@modelcontextprotocol/server';
import { addAskingTools, type State } from './asking-tools.ts';
import { addPrompts, addResources } from './resources.ts';
import { addTools, type Changes } from './tools.ts';

const SUGGESTIONS = ['paris', 'park', 'party'];
const states = createRequestStateCodec<State>({
  key: randomBytes(32),
  bind: ({ mcpReq }) => mcpReq.method,
});

/** One for each session, or each request where there are none. Without `changes` it tells its own client. */
export function conformanceServer(changes?: Changes): McpServer {
  const server = new McpServer(
    { name: 'sallyport-conformance-server', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: states.verify },
    },
  );
  addTools(
    server,
    changes ?? {
      toolsChanged: () => server.sendToolListChanged(),
      promptsChanged: () => server.sendPromptListChanged(),
    },
  );
  addAskingTools(server, states);
  addResources(server);
  addPrompts(server);
  server.server.setRequestHandler('completion/complete', ({ params }): CompleteResult => {
    const values = SUGGESTIONS.filter((value) => value.startsWith(params.argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });
  server.server.setRequestHandler('resources/subscribe', () => ({}));
  server.server.setRequestHandler('resources/unsubscribe', () => ({}));
  return server;
}
