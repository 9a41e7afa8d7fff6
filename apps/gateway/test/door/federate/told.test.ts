/** What is told to every server of the federated door: one that takes it and never answers keeps nobody waiting. */
import { isRequest, resultResponse, type Message } from '@sallyport/model-context';
import { expect, test } from 'vitest';
import { federated } from '../../../src/door/federate/federated.ts';
import type { Exchange, Handles } from '../../../src/door/ports.ts';
import { all, json, scripted } from '../support/scripted.ts';
import { callerOf, translatePorts } from '../support/stock.ts';

const LIST_DEADLINE_MS = 100;
const handles: Handles = {
  seal: async ({ value }) => Buffer.from(value).toString('base64url'),
  open: async ({ sealed }) => Buffer.from(sealed, 'base64url').toString(),
};

test('logging/setLevel is answered though one server hangs', { timeout: 5_000 }, async () => {
  const heard: string[] = [];
  const server = (name: string, hangs: boolean) =>
    scripted({
      capabilities: { tools: {}, logging: {} },
      answer(request) {
        heard.push(`${name} ${request.method}`);
        if (hangs && request.method === 'logging/setLevel') return new Promise<Exchange>(() => undefined);
        return json(resultResponse(request.id, request.method === 'tools/list' ? { tools: [] } : {}));
      },
    });
  const { now, schedule, randomBytes, implementation } = translatePorts();
  await using door = federated(
    new Map([
      ['good', server('good', false)],
      ['hangs', server('hangs', true)],
    ]),
    {
      ...{ now, schedule, randomBytes, implementation, handles },
      leftOut: () => undefined,
      limits: { listDeadlineMs: LIST_DEADLINE_MS },
    },
  );
  let sessionId: string | undefined;
  const ask = async (message: Message): Promise<Message[]> => {
    const exchange = await door.send({
      ...{ caller: callerOf('user:alice'), revision: '2025-11-25', message },
      signal: AbortSignal.timeout(4_000),
      ...(sessionId === undefined ? {} : { sessionId }),
    });
    sessionId ??= exchange.sessionId;
    return isRequest(message) ? all(exchange) : [];
  };
  const clientInfo = { name: 'told', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  await ask({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  await ask({ jsonrpc: '2.0', method: 'notifications/initialized' });
  await ask({ jsonrpc: '2.0', id: 2, method: 'tools/list' });

  const startedMs = performance.now();
  const [answer] = await ask({
    ...{ jsonrpc: '2.0', id: 3, method: 'logging/setLevel' },
    params: { level: 'info' },
  });
  expect(answer).toMatchObject({ id: 3, result: {} });
  expect(performance.now() - startedMs).toBeLessThan(LIST_DEADLINE_MS * 10);
  expect(heard).toEqual(expect.arrayContaining(['good logging/setLevel', 'hangs logging/setLevel']));
});
