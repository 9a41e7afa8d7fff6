/** How people and bundles spell a condition of a permission (docs/adr/0085): the one other form that the contract has. */
import { toJson, type JsonValue } from '@bufbuild/protobuf';
import { ListValueSchema, ValueSchema } from '@bufbuild/protobuf/wkt';
import type { Condition } from './gen/sallyport/policy/v1/policy_pb.ts';

/** `{argument, <operator>: operand}`, as in `{"argument": "/amount", "at_most": 100}`. Without an operator `{argument}` alone. */
export function conditionJson({
  argument,
  operator,
}: Condition): { readonly argument: string } & Readonly<Record<string, JsonValue>> {
  switch (operator.case) {
    case undefined:
      return { argument };
    case 'equals':
      return { argument, equals: toJson(ValueSchema, operator.value) };
    case 'oneOf':
      return { argument, one_of: toJson(ListValueSchema, operator.value) };
    case 'atMost':
      return { argument, at_most: operator.value };
    case 'atLeast':
      return { argument, at_least: operator.value };
    case 'startsWith':
      return { argument, starts_with: operator.value };
    case 'within':
    case 'absent':
      return { argument, [operator.case]: operator.value };
  }
}
