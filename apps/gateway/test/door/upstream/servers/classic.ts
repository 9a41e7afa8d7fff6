/** A server of the official SDK, version 1, with sessions; by standard input and output when it is run. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

export function classicServer(): McpServer {
  const classic = new McpServer(
    { name: 'classic', version: '1' },
    { capabilities: { tools: {}, logging: {} } },
  );
  const { server } = classic;
  server.setRequestHandler(ListToolsRequestSchema, async () => ({
    tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    if (params.name === 'ask') {
      const answer = await extra.sendRequest(
        {
          method: 'elicitation/create',
          params: {
            message: 'Who?',
            requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
          },
        },
        ElicitResultSchema,
      );
      return { content: [{ type: 'text', text: JSON.stringify(answer.content) }] };
    }
    if (params.name === 'leave') {
      // SEP-1699: the client is to come back for the answer.
      extra.closeSSEStream?.();
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
    return {
      content: [
        {
          type: 'text',
          text: typeof params.arguments?.['text'] === 'string' ? params.arguments['text'] : 'done',
        },
      ],
    };
  });
  return classic;
}

/** Over HTTP: a transport per session. */
export function classicHandler(): (request: IncomingMessage, response: ServerResponse) => void {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  return (request, response) => {
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? transports.get(id) : undefined;
    if (id !== undefined && known === undefined) {
      response.writeHead(404).end();
      return;
    }
    const transport = known ?? opened();
    void transport.handleRequest(request, response);
  };

  function opened(): StreamableHTTPServerTransport {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: new InMemoryEventStore(),
      retryInterval: 100,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    });
    void classicServer().connect(transport);
    return transport;
  }
}

if (process.argv[1] === import.meta.filename) void classicServer().connect(new StdioServerTransport());
