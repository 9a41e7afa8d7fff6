import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Html, markup } from './html.ts';
import { formTarget } from './page.ts';

test('nothing that is put in is read as HTML', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const written = markup`<p title="${text}">${text}</p>`.text;
      expect(written.match(/[<>"]/gu)).toHaveLength(6);
      const read = written.slice('<p title="'.length, written.indexOf('">'));
      const back = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' };
      expect(read.replace(/&(?:lt|gt|quot|#39|amp);/gu, (entity) => back[entity as keyof typeof back])).toBe(
        text,
      );
    }),
  );
});

test('HTML stays what it is, and nothing is nothing', () => {
  expect(markup`${new Html('<b>')}${undefined}${[new Html('1'), new Html('2')]}`.text).toBe('<b>12');
});

const targets: readonly (readonly [string, string | undefined])[] = [
  ['https://client.test/cb?x=1', 'https://client.test'],
  ['http://127.0.0.1:8080/cb', 'http://127.0.0.1:8080'],
  ['http://[::1]:8080/cb', 'http://[::1]:8080'],
  ["https://client.test;script-src 'unsafe-inline'/", undefined],
  ['javascript:alert(1)', undefined],
  ['app:/cb', undefined],
  ['not a url', undefined],
];
test.each(targets)('%s stands in a policy as %s', (uri, expected) => {
  expect(formTarget(uri)).toBe(expected);
});
