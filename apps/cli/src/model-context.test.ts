import { access } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { loadConfig } from '@sallyport/service/config';
import { describe, expect, test } from 'vitest';
import { embeddedConfig } from './config.ts';
import { serversOf } from './model-context.ts';

const read = (modelContext: Readonly<Record<string, unknown>>) =>
  loadConfig(embeddedConfig, { env: {}, overrides: { modelContext } }).modelContext;

describe('servers behind the door', () => {
  test('without any it is the demonstration, by stdio, on the Node that runs this', async () => {
    const { everything, ...others } = serversOf(read({}));
    expect(others).toEqual({});
    if (everything?.kind !== 'stdio') throw new Error('not by stdio');
    const [main = '', ...args] = everything.args ?? [];
    expect([everything.command, ...args]).toEqual([process.execPath, 'stdio']);
    expect(isAbsolute(main)).toBe(true);
    await access(main);
  });

  test('with one of their own it is that one only', () => {
    const servers = { orders: { url: 'http://127.0.0.1:9000/mcp' } };
    expect(Object.keys(serversOf(read({ servers })))).toEqual(['orders']);
  });

  test.each([
    ['a name in capitals', { Orders: { url: 'http://127.0.0.1:9000/mcp' } }],
    ['a URL that is none', { orders: { url: 'orders' } }],
    ['a command that is not there', { orders: { kind: 'stdio', command: '/nowhere/server' } }],
    ['a key that nobody knows', { orders: { url: 'http://127.0.0.1:9000/mcp', token: 'x' } }],
  ])('%s is refused', (_, servers) => {
    expect(() => read({ servers })).toThrow(/modelContext\.servers/u);
  });
});

describe('origins', () => {
  test.each([
    [{ publicOrigin: 'http://gateway.example' }, /modelContext\.publicOrigin.*is not an origin/su],
    [{ publicOrigin: 'https://gateway.example/mcp' }, /modelContext\.publicOrigin.*is not an origin/su],
    [{ allowedOrigins: ['https://app.example', 'app.example'] }, /modelContext\.allowedOrigins\[1\]/u],
  ])('%j is refused', (written, message) => {
    expect(() => read(written)).toThrow(message);
  });

  test('as browsers write them they are taken', () => {
    const written = {
      publicOrigin: 'https://gateway.example:8443',
      allowedOrigins: ['http://localhost:3000'],
    };
    expect(read(written)).toMatchObject(written);
  });
});

describe('metadata documents of clients', () => {
  test('none is fetched from a private address unless its host is named', () => {
    expect(read({})).toMatchObject({ allowPrivateMetadataHosts: [], metadataCaFile: undefined });
  });

  test.each([
    [{ allowPrivateMetadataHosts: ['https://apps.internal'] }, /allowPrivateMetadataHosts\[0\]/u],
    [{ allowPrivateMetadataHosts: ['apps.internal:8443'] }, /allowPrivateMetadataHosts\[0\]/u],
    [{ allowPrivateMetadataHosts: ['*'] }, /allowPrivateMetadataHosts\[0\]/u],
    [{ allowPrivateMetadataHosts: true }, /allowPrivateMetadataHosts.*is not a list/su],
    [{ metadataCaFile: '/nowhere/ca.pem' }, /modelContext\.metadataCaFile/u],
    [{ metadataCaFile: import.meta.filename }, /modelContext\.metadataCaFile/u],
  ])('%j is refused', (written, message) => {
    expect(() => read(written)).toThrow(message);
  });
});
