/** Whoever has shown no token hears the same of every payload: what decides is where it was sent, never what it looks like. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PING, startFace, type Face, type Send } from '../support/face.ts';

let face: Face;
beforeAll(async () => {
  face = await startFace();
});
beforeEach(() => {
  face.seen.length = 0;
  face.refused.length = 0;
});
afterAll(() => face[Symbol.asyncDispose]());

const json = 'application/json';
const PAYLOADS: readonly [string, Send][] = [
  ['a message', { body: JSON.stringify(PING) }],
  ['no body', { body: '' }],
  ['a batch', { body: JSON.stringify([PING, PING]) }],
  ['half a message', { body: '{"jsonrpc":"2.0",' }],
  ['JSON of another protocol', { body: '{"query":"{ me }"}' }],
  ['a name twice', { body: '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}' }],
  [
    'a form',
    { body: 'grant_type=password', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  ],
  ['bytes', { body: Uint8Array.of(0, 255, 0), headers: { 'content-type': 'application/octet-stream' } }],
  ['headers that disagree', { headers: { 'content-type': json, 'mcp-method': 'ping', 'mcp-name': 'x' } }],
  ['a session of somebody', { headers: { 'mcp-session-id': 'AAAA' } }],
  ['a stream', { method: 'GET', headers: { accept: 'text/event-stream' } }],
  ['the end of a session', { method: 'DELETE', headers: { 'mcp-session-id': 'AAAA' } }],
];

describe.each(['/mcp', '/mcp/files', '/mcp/nothing-there'])('at %s', (path) => {
  test.each(PAYLOADS)('%s', async (_, { headers, ...more }) => {
    const answer = await face.send({ path, ...more, headers: { ...headers, authorization: undefined } });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('resource_metadata=');
    expect(face.refused).toEqual(['missing']);
    expect(face.seen).toEqual([]);
  });
});
