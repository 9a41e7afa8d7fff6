import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig, object } from '../config/index.ts';
import { memoryLog } from '../testing/log.ts';
import { openTelemetry, parseHeaders, telemetryConfig } from './config.ts';

describe('headers of a file', () => {
  test('are read, comments and empty lines left out', () => {
    expect(parseHeaders('# ours\n\nAuthorization: Bearer abc\r\nx-scope:tenant 1 \n', 'h')).toEqual({
      authorization: 'Bearer abc',
      'x-scope': 'tenant 1',
    });
  });

  test.each([
    ['no colon', 'authorization Bearer canary'],
    ['no name', ': canary'],
    ['no value', 'authorization:'],
    ['a space in the name', 'author ization: canary'],
    ['a control character', 'x: can\u0007ary'],
  ])('%s is refused with its line and without its text', (_, line) => {
    expect(() => parseHeaders(`a: b\n${line}`, 'headers')).toThrow('headers:2: not a header');
    expect(() => parseHeaders(`a: b\n${line}`, 'headers')).not.toThrow(/canary/u);
  });
});

describe('configuration', () => {
  const read = (telemetry: Record<string, unknown>) =>
    loadConfig(object({ telemetry: telemetryConfig }), { overrides: { telemetry } }).telemetry;

  test('by default nothing leaves the process', () => {
    expect(read({})).toEqual({ samplePercent: 1 });
  });

  test.each([
    ['http://collector.example/v1/traces', 1],
    ['http://127.0.0.1.example/v1/traces', 1],
    ['https://collector.example/v1/traces', 0],
    ['http://127.0.0.1:4318/v1/traces', 0],
    ['http://[::1]:4318/v1/traces', 0],
  ])('spans to %s: %s warnings', async (otlpUrl, warnings) => {
    const log = memoryLog();
    const config = { otlpUrl, samplePercent: 1, caFile: undefined, headersFile: undefined };
    await (await openTelemetry({ service: 'gateway', config, log })).close();
    expect(log.lines).toHaveLength(warnings);
  });

  test('files without a collector, and secrets in clear, are refused', () => {
    expect(() => read({ caFile: '/ca.pem' })).toThrow('otlpUrl');
    expect(() => read({ samplePercent: 101 })).toThrow('samplePercent');
  });

  test.each([
    ['caFile', 'no certificate'],
    ['headersFile', 'authorization Bearer canary'],
  ])('a %s that could not be used is refused before a start meets it', async (key, content) => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-telemetry-'));
    const file = join(folder, 'file');
    await writeFile(file, content, { mode: 0o600 });
    const reading = (): unknown => read({ otlpUrl: 'https://collector.example/v1/traces', [key]: file });
    expect(reading).toThrow(key);
    expect(reading).not.toThrow(/canary/u);
    await rm(folder, { recursive: true });
    expect(reading).toThrow(key);
  });
});
