import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeModelContext,
  MAX_MODEL_CONTEXT_LINES,
  parseModelContextAnswer,
  parseModelContextCall,
  parseModelContextLine,
  parseModelContextServed,
  parseModelContextServing,
  type ModelContextCall,
} from './model-context.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (lines: readonly Uint8Array[] = []): string[] =>
  lines.map((line) => new TextDecoder().decode(line));
const name = fc.string({ minLength: 1, maxLength: 40 });
const message = fc.json().filter((text) => text !== '');

describe('Model Context Protocol inside the channel (docs/protocol.md section 13)', () => {
  test('a call is what it was', () => {
    const call = fc.oneof<fc.Arbitrary<ModelContextCall>[]>(
      fc.record({ do: fc.constant('send'), revision: name, session: name }, { requiredKeys: ['do'] }),
      fc.record({ do: fc.constant('listen'), revision: name, session: name }),
      fc.record({ do: fc.constantFrom('continue', 'cancel'), stream: name }),
      fc.record({ do: fc.constant('end'), revision: name, session: name }),
    );
    fc.assert(
      fc.property(call, fc.array(message, { maxLength: 4 }), (head, lines) => {
        const parsed = parseModelContextCall(encodeModelContext(head, lines));
        expect(parsed?.head).toEqual(head);
        expect(texts(parsed?.lines)).toEqual(lines);
      }),
    );
  });

  test('an answer is what it was', () => {
    const head = { status: 200, session: 's', stream: 't' };
    const parsed = parseModelContextAnswer(encodeModelContext(head, ['{"a":1}']));
    expect(parsed?.head).toEqual(head);
    expect(texts(parsed?.lines)).toEqual(['{"a":1}']);
  });

  const refused: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['no JSON', '{'],
    ['a list', '["send"]'],
    ['an unknown word', '{"do":"forward"}'],
    ['an unknown member', '{"do":"send","token":"x"}'],
    ['a member that is no text', '{"do":"send","session":1}'],
    ['an empty member', '{"do":"send","session":""}'],
    ['a member missing', '{"do":"listen","session":"s"}'],
    ['a status', '{"do":"attach","status":200}'],
    ['an empty line', '{"do":"send"}\n\n{}'],
    ['a line break at the end', '{"do":"send"}\n'],
    ['too many lines', `{"do":"send"}${'\n1'.repeat(MAX_MODEL_CONTEXT_LINES + 1)}`],
    ['a head too long', `{"do":"send","session":"${'s'.repeat(9_000)}"}`],
  ];
  test.each(refused)('%s is no call', (_, text) => {
    expect(parseModelContextCall(bytes(text))).toBeUndefined();
  });

  test.each([
    ['no status', '{}'],
    ['a status that is none', '{"status":99}'],
    ['a status that is no number', '{"status":"200"}'],
  ])('%s is no answer', (_, text) => {
    expect(parseModelContextAnswer(bytes(text))).toBeUndefined();
    expect(parseModelContextServed(bytes(text))).toBeUndefined();
  });

  test('a server attaches, receives, delivers, detaches', () => {
    for (const head of [
      { do: 'attach' },
      { do: 'receive', attachment: 'a' },
      { do: 'deliver', attachment: 'a' },
      { do: 'detach', attachment: 'a' },
    ] as const)
      expect(parseModelContextServing(encodeModelContext(head))?.head).toEqual(head);
    expect(parseModelContextServing(bytes('{"do":"receive"}'))).toBeUndefined();
    expect(parseModelContextServing(bytes('{"do":"send"}'))).toBeUndefined();
  });

  test.each([
    ['a message', '{"session":"s","message":{"jsonrpc":"2.0"}}', true],
    ['an end', '{"session":"s","isOver":true}', true],
    ['both', '{"session":"s","message":{},"isOver":true}', false],
    ['neither', '{"session":"s"}', false],
    ['no session', '{"message":{}}', false],
    ['more', '{"session":"s","message":{},"to":"x"}', false],
    ['a message that is none', '{"session":"s","message":[]}', false],
  ])('a line with %s', (_, text, isGood) => {
    expect(parseModelContextLine(bytes(text)) !== undefined).toBe(isGood);
  });

  test('no bytes make a parser throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        for (const parse of [
          parseModelContextCall,
          parseModelContextAnswer,
          parseModelContextServing,
          parseModelContextServed,
          parseModelContextLine,
        ])
          parse(noise);
      }),
    );
  });
});
