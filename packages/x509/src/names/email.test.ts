import { describe, expect, test } from 'vitest';
import { isMailboxWithin, mailbox, internationalMailbox, mailboxSubtree, presentedMailbox } from './email.ts';
import { fromHex, utf8String } from '../../test/support/der.ts';

describe('mailboxes', () => {
  test.each([
    ['a@example.com', { local: 'a', host: 'example.com' }],
    ['A.b+c@EXAMPLE.com', { local: 'A.b+c', host: 'example.com' }],
    ['"a@b"@example.com', { local: '"a@b"', host: 'example.com' }],
    ['"a\\"b"@example.com', { local: '"a\\"b"', host: 'example.com' }],
  ])('%s', (text, expected) => {
    expect(mailbox(text)).toEqual(expected);
  });

  test.each([
    [''],
    ['a'],
    ['@example.com'],
    ['a@'],
    ['a@b@example.com'],
    ['a b@example.com'],
    ['.a@example.com'],
    ['a..b@example.com'],
    ['"a"b"@example.com'],
    ['a@.example.com'],
    ['a@example..com'],
    ['a@[192.0.2.1]'],
    ['a@192.0.2.1'],
    ['<a@example.com>'],
    ['ä@example.com'],
    ['a@bücher.example'],
    ['a@example.com\0.evil'],
  ])('%j is none', (text) => {
    expect(mailbox(text)).toBeUndefined();
  });

  test.each([
    ['ä@bücher.example', { local: 'ä', host: 'xn--bcher-kva.example' }],
    ['老師@example.com', { local: '老師', host: 'example.com' }],
    ['a@b@ü.example', undefined],
  ])('%s, internationalised', (text, expected) => {
    expect(internationalMailbox(text)).toEqual(expected);
  });

  const smtpUtf8 = '1.3.6.1.5.5.7.8.9';
  test.each([
    ['a UTF8String', smtpUtf8, utf8String('ä@example.com'), true],
    ['a long one', smtpUtf8, utf8String(`${'ä'.repeat(80)}@example.com`), true],
    ['another type of name', '1.2.3', utf8String('ä@example.com'), false],
    ['another string', smtpUtf8, fromHex('1601 61'), false],
    ['no UTF-8', smtpUtf8, fromHex('0c05 ff40622e63'), false],
    ['more octets than its length', smtpUtf8, fromHex('0c01 6140'), false],
    ['nothing', smtpUtf8, fromHex(''), false],
    ['a length of no octets', smtpUtf8, fromHex('0c'), false],
    ['a length of many octets', smtpUtf8, fromHex('0c84 00000001 61'), false],
    ['a length in more octets than it needs', smtpUtf8, fromHex('0c81 0b 6140622e6578616d706c65'), false],
    ['an indefinite length', smtpUtf8, fromHex(`0c80 6140${'622e'.repeat(59)}6578616d706c6573`), false],
  ])('SmtpUTF8Mailbox: %s', (_, type, value, expected) => {
    expect(presentedMailbox({ kind: 'other', type, value }) !== undefined).toBe(expected);
  });

  test('a SmtpUTF8Mailbox is read once, whatever it is held against', () => {
    const name = { kind: 'other', type: smtpUtf8, value: utf8String('ä@ü.example') } as const;
    expect(presentedMailbox(name)).toEqual({ local: 'ä', host: 'xn--tda.example' });
    expect(presentedMailbox(name)).toBe(presentedMailbox(name));
  });
});

describe('rfc822Name subtrees (RFC 5280 section 4.2.1.10)', () => {
  test.each([
    ['root@example.com', 'root@example.com', true],
    ['root@example.com', 'ROOT@example.com', false],
    ['root@example.com', 'root@EXAMPLE.com', true],
    ['root@example.com', 'root@www.example.com', false],
    ['example.com', 'a@example.com', true],
    ['EXAMPLE.com', 'a@example.com', true],
    ['example.com', 'a@www.example.com', false],
    ['.example.com', 'a@www.example.com', true],
    ['.example.com', 'a@a.b.example.com', true],
    ['.example.com', 'a@example.com', false],
    ['.example.com', 'a@wwwexample.com', false],
    ['', 'a@example.com', true],
  ])('%s and %s: %s', (base, address, expected) => {
    const [subtree, value] = [mailboxSubtree(base), mailbox(address)];
    expect(subtree !== undefined && value !== undefined && isMailboxWithin(value, subtree)).toBe(expected);
  });

  test.each([
    ['a@b@example.com'],
    ['@example.com'],
    ['.'],
    ['*.example.com'],
    ['..example.com'],
    ['example.com.'],
    ['@'],
    ['a@'],
  ])('%j is none', (base) => {
    expect(mailboxSubtree(base)).toBeUndefined();
  });
});
