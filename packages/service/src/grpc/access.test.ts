import { create, setExtension, type DescMethod, type MessageInitShape } from '@bufbuild/protobuf';
import { MethodOptionsSchema } from '@bufbuild/protobuf/wkt';
import { AccessSchema, access, keyv1 } from '@sallyport/proto';
import { describe, expect, test } from 'vitest';
import { accessOf, methodName } from './access.ts';

/** A method as the compiler would have made it with these options. */
function methodWith(init: MessageInitShape<typeof AccessSchema> | undefined): DescMethod {
  const method = keyv1.KeyService.method.encrypt;
  const options = create(MethodOptionsSchema);
  if (init !== undefined) setExtension(options, access, create(AccessSchema, init));
  return {
    ...method,
    proto: { ...method.proto, options },
  };
}

test('a method is named by its service and itself', () => {
  expect(methodName(keyv1.KeyService.method.rotateKey)).toBe('sallyport.key.v1.KeyService/RotateKey');
});

describe('accessOf', () => {
  test('reads services and action', () => {
    const row = accessOf(keyv1.KeyService.method.listPublicKeys);
    expect([...row.services].sort()).toEqual(['audit-service', 'auth-service', 'gateway', 'policy-service']);
    expect(row.principalAction).toBe('keys.read');
    expect(row.anyone).toBe(false);
  });

  test('reads a made-up option as well', () => {
    expect(accessOf(methodWith({ anyone: true }))).toMatchObject({ anyone: true });
  });

  test.each([
    ['no option', undefined, /has no access option/],
    ['an empty option', {}, /for nobody/],
    [
      'a service that does not exist',
      { services: ['gateway', 'gatway'] },
      /"gatway", which is not a service/,
    ],
    ['a wildcard', { services: ['*'] }, /"\*", which is not a service/],
    ['an action that is none', { principalAction: '*' }, /is not an action/],
    ['anyone and a service', { anyone: true, services: ['gateway'] }, /anyone and for someone/],
    ['anyone and an action', { anyone: true, principalAction: 'keys.read' }, /anyone and for someone/],
  ])('refuses %s', (_case, init, message) => {
    expect(() => accessOf(methodWith(init))).toThrow(message);
  });
});
