import { describe, expect, test } from 'vitest';
import { UsageError } from '../exit.ts';
import { addressesOf, type Replica } from './layout.ts';
import { parseReplicas } from './replicas.ts';

const one = { gateway: 1, 'auth-service': 1, 'key-service': 1, 'policy-service': 1, 'audit-service': 1 };

test('one of each, then the file, then the command line', () => {
  expect(parseReplicas([])).toEqual(one);
  expect(parseReplicas([], { gateway: 3, 'key-service': undefined })).toEqual({ ...one, gateway: 3 });
  expect(parseReplicas(['gateway=2, audit-service=2', 'key-service=16'], { gateway: 3 })).toEqual({
    ...one,
    gateway: 2,
    'audit-service': 2,
    'key-service': 16,
  });
});

describe('refused, naming the choices', () => {
  test.each([
    'gateways=2',
    'gateway',
    '',
    '=2',
    'gateway=0',
    'gateway=17',
    'gateway=1.5',
    'gateway=-1',
    'gateway=',
    'toString=1',
  ])('"%s"', (text) => {
    expect(() => parseReplicas([text])).toThrow(UsageError);
    expect(() => parseReplicas([text])).toThrow(/1 to 16|gateway, auth-service, key-service/u);
  });
});

test('readers of several replicas begin at different ones', () => {
  const replicas = [1, 2, 3].map((number): Replica => ({
    service: 'key-service',
    number,
    name: `key-service-${number}`,
    folder: '',
    configFile: '',
    port: number,
    probesPort: 9,
  }));
  expect([1, 2, 3, 4].map((first) => addressesOf(replicas, 'key-service', first))).toEqual([
    '127.0.0.1:1,127.0.0.1:2,127.0.0.1:3',
    '127.0.0.1:2,127.0.0.1:3,127.0.0.1:1',
    '127.0.0.1:3,127.0.0.1:1,127.0.0.1:2',
    '127.0.0.1:1,127.0.0.1:2,127.0.0.1:3',
  ]);
});
