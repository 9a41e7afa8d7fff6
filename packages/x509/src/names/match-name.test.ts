import { describe, expect, test } from 'vitest';
import type { GeneralName } from '../certificate/types.ts';
import type { ExpectedName } from '../input.ts';
import { fromHex, utf8String } from '../../test/support/der.ts';
import { matchName } from './match-name.ts';

const dns = (value: string): GeneralName => ({ kind: 'dns', value });
const uri = (value: string): GeneralName => ({ kind: 'uri', value });
const email = (value: string): GeneralName => ({ kind: 'email', value });
const ip = (hex: string): GeneralName => ({ kind: 'ip', value: fromHex(hex) });
const smtpUtf8 = (text: string): GeneralName => ({
  kind: 'other',
  type: '1.3.6.1.5.5.7.8.9',
  value: utf8String(text),
});

const expectedName = (text: string): ExpectedName => {
  const [kind, ...value] = text.split(' ');
  return { kind: kind as ExpectedName['kind'], value: value.join(' ') };
};

describe('expected names', () => {
  test.each<[string, GeneralName[]]>([
    ['dns example.com', [dns('example.com')]],
    ['dns EXAMPLE.COM', [dns('other.example'), dns('Example.com')]],
    ['dns www.example.com', [dns('*.example.com')]],
    ['dns bücher.example', [dns('xn--bcher-kva.example')]],
    ['dns 192.0.2.1', [ip('c0000201')]],
    ['ip 192.0.2.1', [ip('c0000201')]],
    ['ip 2001:db8::1', [ip('20010db8000000000000000000000001')]],
    ['email Alice@EXAMPLE.com', [email('Alice@example.com')]],
    ['email älice@bücher.example', [smtpUtf8('älice@xn--bcher-kva.example')]],
    ['uri spiffe://example.com/a', [uri('spiffe://example.com/a')]],
  ])('%s is there', (text, names) => {
    expect(matchName(expectedName(text), { subjectAltName: names })).toBeUndefined();
  });

  test.each<[string, GeneralName[] | undefined]>([
    ['dns example.com', undefined],
    ['dns example.com', []],
    ['dns example.com', [dns('example.org'), uri('https://example.com'), email('a@example.com')]],
    ['dns example.com', [dns('example.com\0.evil.example')]],
    ['dns example.com', [dns('example.com.')]],
    ['dns example.com.', [dns('example.com')]],
    ['dns *.example.com', [dns('*.example.com')]],
    ['dns a.b.example.com', [dns('*.example.com')]],
    ['dns ', [dns('')]],
    ['dns 192.0.2.1', [dns('192.0.2.1')]],
    ['dns 192.0.2.1', [dns('*.0.2.1')]],
    ['dns 127.1', [dns('127.1')]],
    ['ip 192.0.2.1', [dns('192.0.2.1')]],
    ['ip 192.0.2.1', [ip('00000000000000000000ffffc0000201')]],
    ['ip 192.0.2.1', [ip('c0000202')]],
    ['ip example.com', [dns('example.com')]],
    ['email alice@example.com', [email('Alice@example.com')]],
    ['email alice@example.com', [email('alice@www.example.com')]],
    ['email alice', [email('alice')]],
    ['uri spiffe://example.com/a', [uri('spiffe://example.com/A')]],
    ['uri example.com', [uri('example.com')]],
  ])('%s is not in %j', (text, names) => {
    expect(matchName(expectedName(text), { subjectAltName: names })).toMatchObject({
      reason: 'name_mismatch',
    });
  });
});
