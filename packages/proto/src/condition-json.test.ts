import { create, fromJson, type MessageInitShape } from '@bufbuild/protobuf';
import { ListValueSchema, ValueSchema } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { conditionJson } from './condition-json.ts';
import { ConditionSchema } from './gen/sallyport/policy/v1/policy_pb.ts';

type Operator = NonNullable<MessageInitShape<typeof ConditionSchema>['operator']>;

test.each<[Operator, Readonly<Record<string, unknown>>]>([
  [{ case: 'equals', value: fromJson(ValueSchema, 'EUR') }, { equals: 'EUR' }],
  [{ case: 'equals', value: fromJson(ValueSchema, null) }, { equals: null }],
  [{ case: 'oneOf', value: fromJson(ListValueSchema, [1, 'a', true]) }, { one_of: [1, 'a', true] }],
  [{ case: 'atMost', value: 100 }, { at_most: 100 }],
  [{ case: 'atLeast', value: -1 }, { at_least: -1 }],
  [{ case: 'startsWith', value: 'a' }, { starts_with: 'a' }],
  [{ case: 'within', value: '/srv' }, { within: '/srv' }],
  [{ case: 'absent', value: true }, { absent: true }],
  [{ case: undefined }, {}],
])('%j is spelled %j', (operator, spelled) => {
  expect(conditionJson(create(ConditionSchema, { argument: '/a', operator }))).toEqual({
    argument: '/a',
    ...spelled,
  });
});
