/** Conditions of permissions as protobuf; `conditionJson` of packages/proto is the way back, which the domain parses. */
import { fromJson, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import { ListValueSchema, ValueSchema } from '@bufbuild/protobuf/wkt';
import type { policyv1 } from '@sallyport/proto';
import type { Condition } from '../domain/condition.ts';

type ConditionInit = MessageInitShape<typeof policyv1.ConditionSchema>;

export function conditionMessage(condition: Condition): ConditionInit {
  return { argument: condition.argument, operator: operatorOf(condition) };
}

function operatorOf(condition: Condition): NonNullable<ConditionInit['operator']> {
  if ('equals' in condition) return { case: 'equals', value: fromJson(ValueSchema, condition.equals) };
  if ('one_of' in condition) {
    return { case: 'oneOf', value: fromJson(ListValueSchema, [...condition.one_of] as JsonValue) };
  }
  if ('at_most' in condition) return { case: 'atMost', value: condition.at_most };
  if ('at_least' in condition) return { case: 'atLeast', value: condition.at_least };
  if ('starts_with' in condition) return { case: 'startsWith', value: condition.starts_with };
  if ('within' in condition) return { case: 'within', value: condition.within };
  return { case: 'absent', value: true };
}
