/** A server of the official SDK, version 2, which speaks both eras; by standard input and output when it is run. */
import { fromJsonSchema, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const SCHEMA = {
  type: 'object' as const,
  properties: { text: { type: 'string' as const, 'x-mcp-header': 'Text' } },
  required: ['text'],
};

export function modernServer(): McpServer {
  const server = new McpServer(
    { name: 'modern', version: '1' },
    { capabilities: { tools: { listChanged: true }, logging: {} } },
  );
  server.registerTool(
    'echo',
    { description: 'Says it again', inputSchema: fromJsonSchema<{ text: string }>(SCHEMA) },
    async ({ text }) => ({ content: [{ type: 'text', text }] }),
  );
  server.registerTool('count', { description: 'Counts' }, async (context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (const progress of [1, 2, 3])
      if (progressToken !== undefined)
        await context.mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken, progress },
        });
    return { content: [{ type: 'text', text: 'counted' }] };
  });
  server.registerTool('grow', { description: 'Adds a tool' }, () => {
    server.registerTool('grown', { description: 'New' }, () => ({ content: [] }));
    return { content: [] };
  });
  return server;
}

if (process.argv[1] === import.meta.filename) serveStdio(() => modernServer());
