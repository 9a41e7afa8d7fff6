import { describe, expect, test } from 'vitest';
import { createEgress, egressProblem } from './egress.ts';

describe('without a list', () => {
  const egress = createEgress(undefined);
  test.each([
    '127.0.0.1',
    '::1',
    '10.1.2.3',
    '93.184.216.34',
    '2606:2800:220:1::1',
    'fd12:3456::1',
    '64:ff9b::5db8:d822',
    '2002:5db8:d822::1',
  ])('%s is permitted', (address) => expect(egress.permits('orders.example', address)).toBe(true));

  test.each([
    '169.254.169.254',
    '169.254.0.1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '64:ff9b::6464:64c8', // 100.100.100.200
    '64:ff9b::a83f:8110', // 168.63.129.16
    '64:ff9b::1', // 0.0.0.1
    '2002:6464:64c8::1',
    '2002:c000:c0::1', // 192.0.0.192
    '::ffff:0.0.0.0',
    '::ffff:100.100.100.200',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'fd20:ce::254',
    '100.100.100.200',
    '168.63.129.16',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
    'localhost',
    '',
  ])('%s is not', (address) => expect(egress.permits('orders.example', address)).toBe(false));
});

describe('with a list', () => {
  const egress = createEgress(['10.1.0.0/16', 'Orders.example', '2001:db8::/32', '192.0.2.7', '0.0.0.0/0']);
  const narrow = createEgress(['10.1.0.0/16', 'Orders.example', '2001:db8::/32', '192.0.2.7']);
  test.each<[string, string, boolean]>([
    ['a host', '10.1.255.255', true],
    ['a host', '::ffff:10.1.2.3', true],
    ['a host', '10.2.0.1', false],
    ['orders.EXAMPLE', '198.51.100.1', true],
    ['other.example', '198.51.100.1', false],
    ['a host', '2001:db8:1::1', true],
    ['a host', '192.0.2.7', true],
    ['a host', '192.0.2.8', false],
    ['orders.example', '169.254.169.254', false],
  ])('%s at %s: %s', (host, address, isPermitted) => expect(narrow.permits(host, address)).toBe(isPermitted));

  test('not even a network of everything reaches what must be named', () => {
    expect(egress.permits('x', '8.8.8.8')).toBe(true);
    expect(egress.permits('x', '169.254.169.254')).toBe(false);
  });

  test('exactly what is named', () => {
    const named = createEgress(['169.254.10.1']);
    expect(named.permits('x', '169.254.10.1')).toBe(true);
    expect(named.permits('x', '::ffff:169.254.10.1')).toBe(true);
    expect(named.permits('x', '169.254.10.2')).toBe(false);
  });
});

test.each([
  '',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '::1/129',
  '1.2.3',
  'a b',
  'http://x',
  '*',
  'fe80::1%eth0',
  '-a',
])('%j is no entry', (text) => {
  expect(egressProblem(text)).toBeDefined();
  expect(() => createEgress([text])).toThrow(TypeError);
});
