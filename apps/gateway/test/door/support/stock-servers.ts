/* oxlint-disable typescript/no-deprecated -- the low-level servers: every method and every notification as the test wants it */
/** The same server twice: written for each official library, with every feature that translation has to carry. */
import { Server as SessionServer } from '@modelcontextprotocol/sdk/server/index.js';
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import {
  createMcpHandler,
  inputRequired,
  ProtocolError,
  Server as StatelessServer,
} from '@modelcontextprotocol/server';
import type { ModelContextServer } from '../../../src/door/ports.ts';
import { overFetch } from './stock.ts';

export const TOOLS = [
  'echo',
  'ask',
  'ask-url',
  'sample',
  'roots',
  'both',
  'slow',
  'hang',
  'fail',
  'url-first',
  'twice',
];
const FORM = {
  type: 'object' as const,
  properties: { name: { type: 'string' as const } },
  required: ['name'],
};
const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
const tools = TOOLS.map((name) => ({
  name,
  description: `does ${name}`,
  inputSchema: { type: 'object' as const },
}));
const QUESTION = { message: 'Who?', requestedSchema: FORM };
const URL_QUESTION = { mode: 'url' as const, message: 'Go there', url: 'https://there.test/' };
const SAMPLE = {
  messages: [{ role: 'user' as const, content: { type: 'text' as const, text: 'capital?' } }],
  maxTokens: 5,
};
const sampled = (content: unknown): string => JSON.stringify(content);

/** What happens inside, for tests to look at. */
export type Inside = { cancelled: number; subscribed: string[]; unsubscribed: string[]; calls: number };
export const inside = (): Inside => ({ cancelled: 0, subscribed: [], unsubscribed: [], calls: 0 });

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Library v1. Requests to the client go on the call's stream, or, with `detached`, on the session's own. */
export const buildSessionServer =
  (state: Inside, detached = false) =>
  (): SessionServer => {
    const server = new SessionServer(
      { name: 'stock-session', version: '1.0.0' },
      {
        capabilities: {
          tools: { listChanged: true },
          resources: { subscribe: true, listChanged: true },
          prompts: {},
          logging: {},
          completions: {},
        },
        instructions: 'Ask nicely.',
      },
    );
    const urlsDone = new Set<string>();
    server.setRequestHandler(v1.ListToolsRequestSchema, () => ({ tools }));
    server.setRequestHandler(v1.ListPromptsRequestSchema, () => ({ prompts: [{ name: 'greet' }] }));
    server.setRequestHandler(v1.GetPromptRequestSchema, ({ params }) => ({
      messages: [
        { role: 'user', content: { type: 'text', text: `greet ${params.arguments?.['who'] ?? ''}` } },
      ],
    }));
    server.setRequestHandler(v1.CompleteRequestSchema, () => ({ completion: { values: ['one', 'two'] } }));
    server.setRequestHandler(v1.ListResourcesRequestSchema, () => ({
      resources: [{ uri: 'test://a', name: 'a' }],
    }));
    server.setRequestHandler(v1.ReadResourceRequestSchema, ({ params }) => {
      if (params.uri !== 'test://a') throw new v1.McpError(-32002, 'Resource not found', { uri: params.uri });
      return { contents: [{ uri: 'test://a', text: 'A' }] };
    });
    server.setRequestHandler(v1.SubscribeRequestSchema, ({ params }) => {
      state.subscribed.push(params.uri);
      return {};
    });
    server.setRequestHandler(v1.UnsubscribeRequestSchema, ({ params }) => {
      state.unsubscribed.push(params.uri);
      return {};
    });
    server.setRequestHandler(v1.CallToolRequestSchema, async ({ params }, extra) => {
      state.calls += 1;
      const related = detached ? {} : { relatedRequestId: extra.requestId };
      const token = params._meta?.progressToken;
      switch (params.name) {
        case 'echo':
          return text(JSON.stringify(params.arguments ?? {}));
        case 'ask': {
          const answer = await server.elicitInput(QUESTION, related);
          return text(`${answer.action} ${String(answer.content?.['name'] ?? '')}`.trim());
        }
        case 'twice': {
          const first = await server.elicitInput(QUESTION, related);
          const second = await server.elicitInput(QUESTION, related);
          return text(`${String(first.content?.['name'])} ${String(second.content?.['name'])}`);
        }
        case 'ask-url': {
          const answer = await server.elicitInput({ ...URL_QUESTION, elicitationId: 'e1' }, related);
          return text(answer.action);
        }
        case 'url-first': {
          if (urlsDone.has('x')) return text('done');
          urlsDone.add('x');
          throw new v1.UrlElicitationRequiredError([{ ...URL_QUESTION, elicitationId: 'e2' }]);
        }
        case 'sample':
          return text(sampled((await server.createMessage(SAMPLE, related)).content));
        case 'roots':
          return text((await server.listRoots(undefined, related)).roots.map(({ uri }) => uri).join());
        case 'both': {
          const [answer, sample] = await Promise.all([
            server.elicitInput(QUESTION, related),
            server.createMessage(SAMPLE, related),
          ]);
          return text(`${String(answer.content?.['name'])} ${sampled(sample.content)}`);
        }
        case 'slow':
          for (let progress = 1; progress <= 3; progress += 1) {
            if (token !== undefined) {
              await extra.sendNotification({
                method: 'notifications/progress',
                params: { progressToken: token, progress, total: 3 },
              });
            }
            await server.sendLoggingMessage(
              { level: progress === 1 ? 'debug' : 'warning', data: `step ${progress}` },
              extra.sessionId,
            );
            await extra.sendNotification({
              method: 'notifications/message',
              params: { level: progress === 1 ? 'debug' : 'warning', data: `related ${progress}` },
            });
          }
          return text('slow');
        case 'hang':
          await aborted(extra.signal);
          state.cancelled += 1;
          return text('never');
        case 'fail':
          return { ...text('it broke'), isError: true };
        default:
          throw new v1.McpError(v1.ErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
      }
    });
    return server;
  };

/** Library v2, 2026-07-28 only. */
export function statelessServer(state: Inside): {
  readonly server: ModelContextServer;
  readonly handler: ReturnType<typeof createMcpHandler>;
} {
  const build = (): StatelessServer => {
    const server = new StatelessServer(
      { name: 'stock-stateless', version: '2.0.0' },
      {
        capabilities: {
          tools: { listChanged: true },
          resources: { subscribe: true, listChanged: true },
          prompts: {},
          logging: {},
          completions: {},
        },
        instructions: 'Ask nicely.',
      },
    );
    server.setRequestHandler('tools/list', () => ({ tools }));
    server.setRequestHandler('prompts/list', () => ({ prompts: [{ name: 'greet' }] }));
    server.setRequestHandler('prompts/get', ({ params }) => ({
      messages: [
        {
          role: 'user' as const,
          content: { type: 'text' as const, text: `greet ${params.arguments?.['who'] ?? ''}` },
        },
      ],
    }));
    server.setRequestHandler('completion/complete', () => ({ completion: { values: ['one', 'two'] } }));
    server.setRequestHandler('resources/list', () => ({ resources: [{ uri: 'test://a', name: 'a' }] }));
    server.setRequestHandler('resources/read', ({ params }) => {
      if (params.uri !== 'test://a')
        throw new ProtocolError(-32602, 'Resource not found', { uri: params.uri });
      return { contents: [{ uri: 'test://a', text: 'A' }] };
    });
    server.setRequestHandler('tools/call', async ({ params }, context) => {
      state.calls += 1;
      const { mcpReq } = context;
      const given = mcpReq.inputResponses as Record<string, Record<string, unknown>> | undefined;
      const name = (key: string): string | undefined =>
        (given?.[key]?.['content'] as Record<string, string> | undefined)?.['name'];
      switch (params.name) {
        case 'echo':
          return text(JSON.stringify(params.arguments ?? {}));
        case 'ask':
          if (given?.['q'] === undefined)
            return inputRequired({
              inputRequests: { q: inputRequired.elicit(QUESTION) },
              requestState: 's1',
            });
          return text(`${String(given['q']['action'])} ${name('q') ?? ''}`.trim());
        case 'twice': {
          const state_ = mcpReq.requestState<string>();
          if (given?.['q'] === undefined)
            return inputRequired({ inputRequests: { q: inputRequired.elicit(QUESTION) } });
          if (state_ === undefined) {
            return inputRequired({
              inputRequests: { q: inputRequired.elicit(QUESTION) },
              requestState: name('q') ?? '',
            });
          }
          return text(`${state_} ${name('q') ?? ''}`);
        }
        case 'url-first':
        case 'ask-url':
          if (given?.['u'] === undefined) {
            return inputRequired({
              inputRequests: {
                u: inputRequired.elicitUrl({ message: URL_QUESTION.message, url: URL_QUESTION.url }),
              },
            });
          }
          return text(String(given['u']['action']));
        case 'sample':
          if (given?.['m'] === undefined)
            return inputRequired({ inputRequests: { m: inputRequired.createMessage(SAMPLE) } });
          return text(sampled(given['m']['content']));
        case 'roots':
          if (given?.['r'] === undefined)
            return inputRequired({ inputRequests: { r: inputRequired.listRoots() } });
          return text((given['r']['roots'] as { uri: string }[]).map(({ uri }) => uri).join());
        case 'both':
          if (given?.['q'] === undefined || given['m'] === undefined) {
            return inputRequired({
              inputRequests: { q: inputRequired.elicit(QUESTION), m: inputRequired.createMessage(SAMPLE) },
            });
          }
          return text(`${name('q') ?? ''} ${sampled(given['m']['content'])}`);
        case 'slow':
          for (let progress = 1; progress <= 3; progress += 1) {
            const token = mcpReq._meta?.progressToken;
            if (token !== undefined) {
              await mcpReq.notify({
                method: 'notifications/progress',
                params: { progressToken: token, progress, total: 3 },
              });
            }
            await mcpReq.log(progress === 1 ? 'debug' : 'warning', `related ${progress}`);
          }
          return text('slow');
        case 'hang':
          await aborted(mcpReq.signal);
          state.cancelled += 1;
          return text('never');
        case 'fail':
          return { ...text('it broke'), isError: true };
        default:
          throw new ProtocolError(-32602, `Unknown tool: ${params.name}`);
      }
    });
    return server;
  };
  const handler = createMcpHandler(build, { legacy: 'reject' });
  return { server: overFetch((request) => handler.fetch(request)), handler };
}
