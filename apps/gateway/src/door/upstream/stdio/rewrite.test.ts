import { META, type Notification, type Request } from '@sallyport/model-context';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { named, namedBy, relationOf, renamed, restored } from './rewrite.ts';

const requestId = fc.oneof(fc.string(), fc.integer());
const requests = fc
  .record({ id: requestId, token: fc.option(requestId, { nil: undefined }), name: fc.string() })
  .map(({ id, token, name }): Request => ({
    ...{ jsonrpc: '2.0', id, method: 'tools/call' },
    params: { name, _meta: { other: true, ...(token === undefined ? {} : { progressToken: token }) } },
  }));

test('whatever the client calls its request, it is called that again', () => {
  fc.assert(
    fc.property(requests, fc.nat(), (request, own) => {
      const names = namedBy(request);
      const sent = renamed(request, names, own);
      expect(sent.id).toBe(own);
      const token = sent.params?.['_meta'] as { readonly progressToken?: unknown };
      expect(token.progressToken).toBe(names.token === undefined ? undefined : own);
      expect(restored({ jsonrpc: '2.0', id: own, result: { x: 1 } }, names)).toEqual({
        ...{ jsonrpc: '2.0', id: request.id, result: { x: 1 } },
      });
      if (names.token === undefined) return;
      const progress: Notification = {
        ...{ jsonrpc: '2.0', method: 'notifications/progress' },
        params: { progressToken: own, progress: 1 },
      };
      expect(relationOf(progress)).toBe(own);
      expect(named(progress, names).params).toEqual({ progressToken: names.token, progress: 1 });
    }),
  );
});

test('a subscription is named back in its notifications and its end', () => {
  const names = { id: 'listen-1', token: undefined };
  const changed: Notification = {
    ...{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' },
    params: { _meta: { [META.subscriptionId]: 4 } },
  };
  expect(relationOf(changed)).toBe(4);
  expect(named(changed, names).params).toEqual({ _meta: { [META.subscriptionId]: 'listen-1' } });
  expect(
    restored({ jsonrpc: '2.0', id: 4, result: { _meta: { [META.subscriptionId]: 4, a: 1 } } }, names),
  ).toEqual({
    jsonrpc: '2.0',
    id: 'listen-1',
    result: { _meta: { [META.subscriptionId]: 'listen-1', a: 1 } },
  });
});

test.each([
  ['a token that is text', { progressToken: '4' }],
  ['none', {}],
])('%s is no relation: ours are numbers', (_, params) => {
  expect(relationOf({ jsonrpc: '2.0', method: 'notifications/progress', params })).toBeUndefined();
});
