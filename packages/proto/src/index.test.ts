import { getOption, hasOption } from '@bufbuild/protobuf';
import type { DescService } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import * as proto from './index.ts';

const SERVICES = new Set(['gateway', 'auth-service', 'key-service', 'policy-service', 'audit-service']);

function isService(value: unknown): value is DescService {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'service';
}

const services = Object.values(proto)
  .flatMap((value) => (typeof value === 'object' ? Object.values(value as Record<string, unknown>) : []))
  .filter(isService);
const methods = services.flatMap((service) =>
  service.methods.map((method) => ({ name: `${service.typeName}/${method.name}`, method })),
);

test('every service is exported', () => {
  expect(services.map(({ typeName }) => typeName).toSorted()).toEqual([
    'grpc.health.v1.Health',
    'sallyport.audit.v1.AuditService',
    'sallyport.auth.v1.AuthService',
    'sallyport.channel.v1.ChannelService',
    'sallyport.key.v1.KeyService',
    'sallyport.policy.v1.PolicyService',
  ]);
});

describe('access', () => {
  for (const { name, method } of methods)
    test(`${name} says who may call it`, () => {
      expect(hasOption(method, proto.access)).toBe(true);
      const { services: names, principalAction, anyone } = getOption(method, proto.access);
      expect(names.length > 0 || principalAction !== '' || anyone).toBe(true);
      expect(names.filter((service) => !SERVICES.has(service))).toEqual([]);
      expect(principalAction).toMatch(/^([a-z-]+\.[a-z-]+)?$/);
    });
});
