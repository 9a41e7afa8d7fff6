import { create } from '@bufbuild/protobuf';
import { policyv1 } from '@sallyport/proto';
import { expect, test } from 'vitest';
import { UsageError } from '../exit.ts';
import { permissionText, roleFromJson, roleJson } from './role-file.ts';

const permission = (when: unknown): string =>
  JSON.stringify({
    name: 'payer',
    permissions: [{ action: 'context.tools.call', resource: 'bank.pay', when }],
  });

test('every operator, there and back', () => {
  const when = [
    { argument: '/a', equals: 'x' },
    { argument: '/a', equals: null },
    { argument: '/a', one_of: ['x', 1, true, null] },
    { argument: '/amount', at_most: 100.5 },
    { argument: '/amount', at_least: -1 },
    { argument: '/a', starts_with: 'x' },
    { argument: '/path', within: '/srv/data' },
    { argument: '/b', absent: true },
  ];
  const role = create(policyv1.RoleSchema, roleFromJson(permission(when), 'f', undefined));
  expect(roleJson(role)).toMatchObject({ name: 'payer', permissions: [{ resource: 'bank.pay', when }] });
  // What show prints, put takes.
  const again = roleFromJson(JSON.stringify({ ...roleJson(role), revision: 7 }), 'f', 'payer');
  expect(roleJson(create(policyv1.RoleSchema, again))).toEqual(roleJson(role));
  expect(role.permissions.map(permissionText)[0]).toContain(
    'context.tools.call=bank.pay if /a equals "x" and',
  );
});

test.each([
  ['no JSON', '{', undefined],
  ['a list', '[]', undefined],
  ['no name', '{"permissions":[]}', undefined],
  ['another name than asked', '{"name":"a"}', 'b'],
  ['an unknown member', '{"name":"a","allow":[]}', undefined],
  ['permissions that are none', '{"name":"a","permissions":{}}', undefined],
  ['a permission without resource', '{"name":"a","permissions":[{"action":"x"}]}', undefined],
  ['a permission with more', '{"name":"a","permissions":[{"action":"x","resource":"y","if":1}]}', undefined],
  ['inherits that is no list', '{"name":"a","inherits":"b"}', undefined],
  ['conditions that are no list', permission({ argument: '/a', equals: 1 }), undefined],
  ['a condition without argument', permission([{ equals: 1 }]), undefined],
  ['a condition without operator', permission([{ argument: '/a' }]), undefined],
  ['two operators', permission([{ argument: '/a', at_most: 1, at_least: 0 }]), undefined],
  ['an unknown operator', permission([{ argument: '/a', matches: '.*' }]), undefined],
  ['a number as text', permission([{ argument: '/a', at_most: '1' }]), undefined],
  ['absent: false', permission([{ argument: '/a', absent: false }]), undefined],
])('refused: %s', (_what, text, name) => {
  expect(() => roleFromJson(text, 'f', name)).toThrow(UsageError);
});
