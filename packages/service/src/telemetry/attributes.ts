/** Attribute values as the log would show them: redacted, bounded. */
import type { Attributes as OtelAttributes } from '@opentelemetry/api';
import { isSecretName, redactText } from '../log/index.ts';
import type { Attributes, AttributeValue } from './port.ts';

const maxAttributeText = 1024;

function redactValue(name: string, value: AttributeValue): AttributeValue {
  if (isSecretName(name)) return '[secret]';
  if (typeof value === 'string') return redactText(value).slice(0, maxAttributeText);
  if (Array.isArray(value) && typeof value[0] === 'string') {
    return value.map((item) => redactText(String(item)).slice(0, maxAttributeText));
  }
  return value;
}

export function redactAttributes(attributes: Attributes): OtelAttributes {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, redactValue(name, value) as string]],
    ),
  );
}
