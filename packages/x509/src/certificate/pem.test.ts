import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { issue, makeCertificate, toPem } from '../../test/support/pki.ts';
import { isDer, parseCertificates, readPem } from './pem.ts';

/** Inside of an object a bare pattern would be equal to any value. */
const like = (pattern: RegExp): string => expect.stringMatching(pattern) as string;
const block = (body: string, begin = 'A', end = begin): string =>
  `-----BEGIN ${begin}-----\n${body}\n-----END ${end}-----\n`;
const one = { ok: true, value: [Uint8Array.of(1)] };

describe('read', () => {
  const rows: Record<string, string> = {
    'a block': block('AQ=='),
    'text around it': `Bag Attributes\n    friendlyName: x\n${block('AQ==')}behind it`,
    'CR LF': block('AQ==').replaceAll('\n', '\r\n'),
    'CR alone': block('AQ==').replaceAll('\n', '\r'),
    'white space at the ends of lines': block('  AQ== \t ').replaceAll('-----\n', '----- \t\n'),
    'lines of one character': block('A\nQ\n=\n='),
    'empty lines': block('\n\nAQ==\n\n'),
    'no line end behind it': block('AQ==').trimEnd(),
    'a byte order mark': `\uFEFF${block('AQ==')}`,
    'a label of several words': block('AQ==', 'X509 CRL-LIST A'),
  };
  it.each(Object.entries(rows))('%s', (_title, text) => {
    expect(readPem(text)).toEqual(one);
    expect(readPem(Buffer.from(text))).toEqual(one);
  });

  it('all blocks, or those of one label', () => {
    const text = `${block('AQ==', 'A')}text\n${block('Ag==', 'B')}${block('Aw==', 'A')}`;
    expect(readPem(text)).toEqual({ ok: true, value: [1, 2, 3].map((octet) => Uint8Array.of(octet)) });
    expect(readPem(text, 'A')).toEqual({ ok: true, value: [1, 3].map((octet) => Uint8Array.of(octet)) });
  });

  it('a BEGIN in the middle of a line is text', () => {
    expect(readPem(`see -----BEGIN B-----\n${block('AQ==')}`)).toEqual(one);
  });

  it('what was written comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (octets) => {
        expect(readPem(toPem(octets))).toEqual({ ok: true, value: [octets] });
      }),
    );
  });
});

describe('refused, and where', () => {
  const rows: Record<string, [text: string, offset: number]> = {
    nothing: ['', 0],
    text: ['no block', 0],
    'no block of the label': [block('AQ==', 'B'), 0],
    'a BEGIN line without its end': ['x\n-----BEGIN A', 2],
    'an empty label': [block('AQ==', ''), 0],
    'a label with two spaces': [block('AQ==', 'A  B'), 0],
    'a label of two lines': [block('AQ==', 'A\nB'), 0],
    'a label of 65 characters': [block('AQ==', 'A'.repeat(65)), 0],
    'no END line': ['-----BEGIN A-----\nAQ==\n', 0],
    'another label at the end': [block('AQ==', 'A', 'B'), 23],
    'a block in a block': [`-----BEGIN A-----\n${block('AQ==')}`, 18],
    'an empty block': [block(''), 17],
    'a character that is not of base64': [block('AQ-='), 20],
    base64url: [block('AQ__'), 20],
    'headers (RFC 1421)': [block('Proc-Type: 4,ENCRYPTED\n\nAQ=='), 22],
    'a NUL': [block('AQ==\u0000'), 22],
    'padding that is short': [block('AQ='), 17],
    'no padding': [block('AQ'), 17],
    'padding that is long': [block('AQ==='), 17],
    'padding in the middle': [block('AQ==AQ=='), 17],
    'bits that are left over': [block('AR=='), 17],
    'one character': [block('A'), 17],
  };
  it.each(Object.entries(rows))('%s', (_title, [text, offset]) => {
    expect(readPem(text, 'A')).toMatchObject({ ok: false, failure: { offset } });
  });

  it('more blocks than 10,000', () => {
    expect(readPem(block('AQ==').repeat(10_001))).toMatchObject({
      ok: false,
      failure: { problem: like(/blocks/u) },
    });
  });
  it('a whole file that is too long', () => {
    expect(readPem(' '.repeat(100_663_297))).toMatchObject({ ok: false, failure: { offset: 100_663_296 } });
  });
  it('32 MiB of what could begin, without much work', () => {
    const started = performance.now();
    expect(readPem('\n-----BEGIN A----'.repeat(1_900_000))).toMatchObject({ ok: false });
    expect(readPem('-----BEGIN '.repeat(3_000_000))).toMatchObject({ ok: false });
    expect(performance.now() - started).toBeLessThan(2000);
  });
  it('noise around dashes is answered, never thrown at', () => {
    const piece = fc.constantFrom('-----', 'BEGIN ', 'END ', 'A', '\n', '=', ' ', 'AQ==', '\uFEFF', '-');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        expect(readPem(pieces.join(''), 'A').ok).toBeTypeOf('boolean');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('certificates', () => {
  const [first, second] = [issue({ subject: 'first' }), issue({ subject: 'second' })];
  it('of a PEM file, in order', () => {
    const parsed = parseCertificates(
      `${toPem(first.der)}${block('AQ==', 'PRIVATE KEY')}${toPem(second.der)}`,
    );
    expect(parsed).toEqual({ ok: true, value: [first.certificate, second.certificate] });
  });
  it('of DER', () => {
    expect(parseCertificates(first.der)).toEqual({ ok: true, value: [first.certificate] });
  });
  it('of a PEM file as octets', () => {
    expect(parseCertificates(Buffer.from(toPem(first.der)))).toMatchObject({ ok: true });
  });
  it('a malformed one: which, and where', () => {
    const broken = makeCertificate({ version: 2, extensions: [Uint8Array.of(5, 0)] });
    const parsed = parseCertificates(toPem(first.der) + toPem(broken));
    expect(parsed).toMatchObject({
      ok: false,
      failure: {
        offset: toPem(first.der).length,
        problem: like(/^certificate 2, octet \d+ of its DER: extensions in v2/u),
      },
    });
  });
  it('DER is known by its second octet', () => {
    expect([
      isDer(first.der),
      isDer(Buffer.from('0 s:CN=x')),
      isDer(Uint8Array.of(0x30, 0)),
      isDer(new Uint8Array()),
    ]).toEqual([true, false, true, false]);
  });
});
