import { decodeEvent, encodeEvent, recordsOf } from '@sallyport/audit-log';
import { describe, expect, test } from 'vitest';
import { admin, binding, role, valid } from '../../test/support.ts';
import type { LoggedChange } from '../app/ports.ts';
import { limits } from '../domain/limits.ts';
import type { Change } from '../domain/policy-state.ts';
import { parseToolDigest, parseToolRef } from '../domain/tool.ts';
import { changeEvent } from './audit.ts';

const serviceId = 'spiffe://sallyport.test/svc/policy-service';
const logged = (change: Change, actor: LoggedChange['actor'] = admin): LoggedChange => ({
  revision: 7n,
  position: 1,
  atMs: 1_700_000_000_000,
  actor,
  change,
});
const before = role('orders');
const after = role('orders', { permissions: [], description: 'less' });
const tool = {
  ...valid(parseToolRef({ route: 'files', tool: 'read' })),
  digest: valid(parseToolDigest('a'.repeat(64), '')),
};
const held = binding('user:alice', 'orders');

describe('the event of', () => {
  test.each<[Change, string, string]>([
    [{ kind: 'role-put', before: undefined, after }, 'create', 'role:orders'],
    [{ kind: 'role-put', before, after }, 'update', 'role:orders'],
    [{ kind: 'role-deleted', before }, 'delete', 'role:orders'],
    [{ kind: 'binding-put', after: held }, 'create', 'binding:user:alice orders'],
    [{ kind: 'binding-deleted', before: held }, 'delete', 'binding:user:alice orders'],
    [{ kind: 'content-replaced', before: '', after: 'd' }, 'update', 'policy:built-in'],
    [{ kind: 'bundle-key-replaced', before: 'k1', after: 'k2' }, 'update', 'policy:bundle-key'],
    [
      { kind: 'tool-found', ...tool, definition: '', isPinned: true, seenBy: 'g' },
      'create',
      'tool:files/read',
    ],
    [{ kind: 'tool-rejected', ...tool, wasPinned: false }, 'deactivate', 'tool:files/read'],
  ])('%j', (change, activity, destination) => {
    const event = changeEvent(logged(change), serviceId, 'default');
    const decoded = decodeEvent(encodeEvent(event));
    expect(decoded).toEqual({ ok: true, event });
    expect(event.data).toMatchObject({
      activity_name: activity,
      entity: { version: '7', ...('before' in change && change.before !== undefined ? { data: {} } : {}) },
      ...('after' in change || change.kind === 'tool-found' ? { entity_result: { data: {} } } : {}),
    });
    expect(recordsOf(event)).toMatchObject([{ principal: 'user:admin', destination, outcome: 'success' }]);
  });
});

test('the same change gives the same event, another change another id', () => {
  const change: Change = { kind: 'role-deleted', before };
  expect(changeEvent(logged(change), serviceId, 'default')).toEqual(
    changeEvent(logged(change), serviceId, 'default'),
  );
  const other = changeEvent({ ...logged(change), position: 2 }, serviceId, 'default');
  expect(other.id).not.toBe(changeEvent(logged(change), serviceId, 'default').id);
});

test('names the service itself, and the call it came from', () => {
  const change: Change = { kind: 'role-deleted', before };
  const own = changeEvent(logged(change, { kind: 'service' }), serviceId, 'default');
  expect(own.data).toMatchObject({ actor: { app_name: 'policy-service' } });
  const called = changeEvent(logged(change), serviceId, 'default');
  expect(called.data.metadata.correlation_uid).toBe(admin.kind === 'principal' ? admin.correlationId : '');
});

test('the largest role, before and after, still is an event', () => {
  const permissions = Array.from({ length: limits.permissionsPerRole }, (_, i) => ({
    action: `${'a'.repeat(190)}${i}`,
    resource: `${'"'.repeat(190)}${i}`,
  }));
  const inherits = Array.from({ length: limits.inheritsPerRole }, (_, i) => `p${i}${'p'.repeat(55)}`);
  const largest = role('r', { permissions, inherits, description: '∞'.repeat(limits.descriptionChars) });
  const event = changeEvent(
    logged({ kind: 'role-put', before: largest, after: largest }),
    serviceId,
    'default',
  );
  expect(decodeEvent(encodeEvent(event)).ok).toBe(true);
});
