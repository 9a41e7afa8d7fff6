/** Policy that changes while a client listens: what it takes away is not heard any more. */
import { REFUSED } from '@sallyport/model-context';
import { expect, test } from 'vitest';
import type { Exchange, ServerEvent } from '../../src/door/ports.ts';
import type { Question } from '../../src/door/guarded/index.ts';
import { callOf, decisionOf, openSession, request, rig, SESSION, STATELESS } from './support/guarded.ts';
import { fakeUpstream, notification } from './support/upstream.ts';

const updated = (uri: string): ServerEvent => notification('notifications/resources/updated', { uri });
const CHANGED = notification('notifications/tools/list_changed', {});

type Stage = {
  readonly made: ReturnType<typeof rig>;
  /** What policy says from now on. */
  readonly policy: { allows: (question: Question) => boolean; isGone: boolean };
  /** The stream of a client that listens, event by event. */
  readonly heard: AsyncIterator<ServerEvent>;
};

/** GET of a session, or `subscriptions/listen`; the server says `events` in turn. */
async function listening(era: 'session' | 'stateless', events: readonly ServerEvent[]): Promise<Stage> {
  const upstream = fakeUpstream();
  upstream.onListen(() => events);
  upstream.on('subscriptions/listen', () => ({ kind: 'events', events }));
  const policy: Stage['policy'] = { allows: () => true, isGone: false };
  const made = rig({
    upstream,
    decide(question) {
      if (policy.isGone) throw new Error('no policy');
      return decisionOf(policy.allows(question));
    },
  });
  return { made, policy, heard: (await begun(made, era)).messages[Symbol.asyncIterator]() };
}

async function begun({ server, records }: Stage['made'], era: 'session' | 'stateless'): Promise<Exchange> {
  if (era === 'stateless')
    return server.send(
      callOf(request('subscriptions/listen', { notifications: {} }), { revision: STATELESS }),
    );
  const sessionId = await openSession(server);
  records.length = 0;
  return server.listen({ ...callOf(request('ping')), revision: SESSION, sessionId });
}

const ACTIONS = { session: 'context.listen', stateless: 'context.subscriptions.listen' } as const;
const ERAS = ['session', 'stateless'] as const;

test.each(ERAS)('%s: who may not listen any more hears nothing more, and the server is left', async (era) => {
  const { made, policy, heard } = await listening(era, [CHANGED, CHANGED, CHANGED]);
  expect((await heard.next()).value).toEqual(CHANGED);
  policy.allows = ({ action }) => action !== ACTIONS[era];
  const next = await heard.next();
  if (era === 'stateless') expect(next.value).toMatchObject({ message: { id: 1, error: { code: REFUSED } } });
  else expect(next.done).toBe(true);
  expect((await heard.next()).done).toBe(true);
  expect(made.upstream.left.count).toBe(1);
  expect(made.records).toMatchObject([
    { action: ACTIONS[era], decision: 'allow' },
    { action: ACTIONS[era], outcome: 'failure', status: 'no_permission' },
  ]);
  expect(made.counted.get('refused no_permission')).toBe(1);
});

test.each(ERAS)('%s: when policy cannot be asked any more, neither', async (era) => {
  const { made, policy, heard } = await listening(era, [CHANGED, CHANGED]);
  await heard.next();
  policy.isGone = true;
  const next = await heard.next();
  expect(JSON.stringify(next.value ?? '')).not.toContain('list_changed');
  expect((await heard.next()).done).toBe(true);
  expect(made.records.at(-1)).toMatchObject({ outcome: 'failure', status: 'policy_error' });
});

test.each(ERAS)('%s: of a resource that was taken away no update, of others still', async (era) => {
  const { policy, heard } = await listening(era, [
    updated('file:///a'),
    updated('file:///a'),
    updated('file:///b'),
  ]);
  expect((await heard.next()).value).toEqual(updated('file:///a'));
  policy.allows = ({ resource }) => resource.name !== 'everything.file:///a';
  expect((await heard.next()).value).toEqual(updated('file:///b'));
});

test('what cannot be recorded is told as that, and ends as well', async () => {
  const { made, policy, heard } = await listening('stateless', [CHANGED, CHANGED]);
  await heard.next();
  policy.allows = () => false;
  made.failing.outcome = new Error('full');
  expect((await heard.next()).value).toMatchObject({
    message: { error: { data: { reason: 'outcome_not_recorded' } } },
  });
  expect((await heard.next()).done).toBe(true);
});

test('a call goes on to its end: it was decided when it began', async () => {
  const upstream = fakeUpstream();
  const { resolve, promise } = Promise.withResolvers<void>();
  upstream.on('tools/call', ({ message }) => ({
    kind: 'events',
    events: (async function* () {
      yield notification('notifications/progress', { progressToken: 1, progress: 1 });
      await promise;
      yield { message: { jsonrpc: '2.0', id: message.id, result: { content: [] } } };
    })(),
  }));
  const policy = { isOpen: true };
  const { server } = rig({ upstream, allows: () => policy.isOpen });
  const exchange = await server.send(callOf(request('tools/call', { name: 'echo' })));
  const heard = exchange.messages[Symbol.asyncIterator]();
  await heard.next();
  policy.isOpen = false;
  resolve();
  expect((await heard.next()).value).toMatchObject({ message: { result: { content: [] } } });
});
