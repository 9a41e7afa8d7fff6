import { describe, expect, test } from 'vitest';
import { ChannelError } from './errors.ts';
import { inSpan, type ClientSpan } from './tracing.ts';

function span() {
  const ends: unknown[] = [];
  const made: ClientSpan = { traceparent: '00-a-b-01', end: (outcome) => void ends.push(outcome) };
  return { ends, made };
}

describe('the span of a request', () => {
  test('ends with the correlation of its response', async () => {
    const { ends, made } = span();
    const response = { correlation: 'c1' };
    expect(await inSpan(made, async () => response)).toBe(response);
    expect(ends).toEqual([{ correlation: 'c1' }]);
  });

  test('ends with the code of its failure, which goes on as it was', async () => {
    const { ends, made } = span();
    const mine = new ChannelError('timeout', 'timeout', 'no answer with a secret in it');
    await expect(inSpan(made, () => Promise.reject(mine))).rejects.toBe(mine);
    expect(ends).toEqual([{ failure: 'timeout' }]);
  });

  test('ends with "error" for what is no error of the channel', async () => {
    const { ends, made } = span();
    await expect(inSpan(made, () => Promise.reject(new TypeError('x')))).rejects.toThrow('x');
    expect(ends).toEqual([{ failure: 'error' }]);
  });

  test('is not needed', async () => {
    expect(await inSpan(undefined, async () => ({}))).toEqual({});
  });
});
