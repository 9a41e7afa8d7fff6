/** Access tokens at the HTTPS face, each kind of a bad one by itself. */
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ORIGIN, startFace, type Face } from '../support/face.ts';

const METADATA = `${ORIGIN}/.well-known/oauth-protected-resource/mcp`;
const CHALLENGE =
  `Bearer resource_metadata="${METADATA}", scope="context:read context:call", error="invalid_token", ` +
  `error_description="The access token is not good.", ` +
  `DPoP resource_metadata="${METADATA}", scope="context:read context:call", algs="ES256 EdDSA"`;

let face: Face;
beforeAll(async () => {
  face = await startFace();
});
beforeEach(() => {
  face.refused.length = 0;
  face.seen.length = 0;
  face.revoked.clear();
  face.feedIsDead = false;
});
afterAll(() => face[Symbol.asyncDispose]());

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowS = (): number => Math.floor(face.clock.now() / 1_000);

/** A token whose header is this, signed by `sign` over what precedes it. */
async function forged(header: unknown, sign: (input: string) => string): Promise<string> {
  const [, payload = ''] = (await face.token()).split('.');
  const input = `${encoded(header)}.${payload}`;
  return `${input}.${sign(input)}`;
}

const BAD: readonly {
  readonly what: string;
  readonly cause: string;
  readonly make: () => Promise<string>;
}[] = [
  {
    what: 'expired',
    cause: 'expired',
    make: () => face.token({ iat: nowS() - 606, nbf: nowS() - 606, exp: nowS() - 6 }),
  },
  { what: 'not valid yet', cause: 'not_yet', make: () => face.token({ nbf: nowS() + 7 }) },
  {
    what: 'issued in the future',
    cause: 'not_yet',
    make: () => face.token({ iat: nowS() + 60, exp: nowS() + 120 }),
  },
  { what: 'for another route', cause: 'audience', make: () => face.token({ aud: `${ORIGIN}/mcp/files` }) },
  {
    what: 'for another deployment',
    cause: 'audience',
    make: () => face.token({ aud: 'https://other.example/mcp' }),
  },
  { what: 'for the origin alone', cause: 'audience', make: () => face.token({ aud: ORIGIN }) },
  { what: 'for the door with a slash', cause: 'audience', make: () => face.token({ aud: `${ORIGIN}/mcp/` }) },
  { what: 'without an audience', cause: 'claims', make: () => face.token({ aud: undefined }) },
  { what: 'of another issuer', cause: 'issuer', make: () => face.token({ iss: 'https://other.example' }) },
  { what: 'of no issuer', cause: 'issuer', make: () => face.token({ iss: undefined }) },
  {
    what: 'unsigned',
    cause: 'algorithm',
    make: () => forged({ alg: 'none', typ: 'at+jwt', kid: 'ed-1' }, () => ''),
  },
  {
    what: 'signed with the public key as a secret',
    cause: 'algorithm',
    make: () =>
      forged({ alg: 'HS256', typ: 'at+jwt', kid: 'ed-1' }, (input) =>
        createHmac('sha256', face.keys.get('ed-1')?.key.export({ format: 'der', type: 'spki' }) ?? '')
          .update(input)
          .digest('base64url'),
      ),
  },
  {
    what: 'signed by another key under the same name',
    cause: 'signature',
    make: () => face.token({}, { key: generateKeyPairSync('ed25519').privateKey }),
  },
  {
    what: 'signed by another key of ours than it names',
    cause: 'algorithm',
    make: () => face.token({}, { header: { alg: 'ES256', kid: 'ed-1' }, key: face.ecKey }),
  },
  {
    what: 'signed by a key that it brings itself',
    cause: 'signature',
    make: async () => {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519');
      return face.token({}, { header: { jwk: publicKey.export({ format: 'jwk' }) }, key: privateKey });
    },
  },
  {
    what: 'of an unknown key',
    cause: 'unknown_key',
    make: () => face.token({}, { header: { kid: 'other' } }),
  },
  { what: 'of no key', cause: 'unknown_key', make: () => face.token({}, { header: { kid: undefined } }) },
  { what: 'of type JWT', cause: 'type', make: () => face.token({}, { header: { typ: 'JWT' } }) },
  {
    what: 'of the type of a proof',
    cause: 'type',
    make: () => face.token({}, { header: { typ: 'dpop+jwt' } }),
  },
  { what: 'of no type', cause: 'type', make: () => face.token({}, { header: { typ: undefined } }) },
  { what: 'without a session', cause: 'claims', make: () => face.token({ sid: undefined }) },
  { what: 'with a session that is none', cause: 'claims', make: () => face.token({ sid: 'AB'.repeat(16) }) },
  { what: 'without a subject', cause: 'claims', make: () => face.token({ sub: undefined }) },
  { what: 'with a service as subject', cause: 'claims', make: () => face.token({ sub: 'svc:gateway' }) },
  { what: 'without a tenant', cause: 'claims', make: () => face.token({ tenant: undefined }) },
  { what: 'without a client', cause: 'claims', make: () => face.token({ client_id: undefined }) },
  { what: 'without an end', cause: 'claims', make: () => face.token({ exp: undefined }) },
  { what: 'without an id', cause: 'claims', make: () => face.token({ jti: undefined }) },
  { what: 'of too long a life', cause: 'claims', make: () => face.token({ exp: nowS() + 3_600 }) },
  {
    what: 'bound in a way that is not known',
    cause: 'claims',
    make: () => face.token({ cnf: { 'x5t#S256': 'a'.repeat(43) } }),
  },
  {
    what: 'bound in two ways',
    cause: 'claims',
    make: () => face.token({ cnf: { jkt: 'a'.repeat(43), kid: 'x' } }),
  },
  { what: 'with a changed payload', cause: 'signature', make: async () => tampered(await face.token()) },
  {
    what: 'with a critical extension',
    cause: 'malformed',
    make: () => forged({ alg: 'EdDSA', typ: 'at+jwt', kid: 'ed-1', crit: ['x'], x: 1 }, () => 'AAAA'),
  },
  { what: 'spelled with padding', cause: 'malformed', make: async () => `${await face.token()}==` },
  {
    what: 'spelled in another alphabet',
    cause: 'malformed',
    make: () => spelled((token) => token.replaceAll('-', '+').replaceAll('_', '/')),
  },
  {
    what: 'spelled with bits that nobody reads',
    cause: 'malformed',
    make: async () => {
      const token = await face.token();
      // 64 bytes are 86 characters: four bits of the last one are none of the signature.
      const last = ALPHABET.indexOf(token.at(-1) ?? '');
      return `${token.slice(0, -1)}${ALPHABET[last ^ 1]}`;
    },
  },
  { what: 'that is no JWT', cause: 'malformed', make: () => Promise.resolve('opaque') },
  { what: 'of 9,000 characters', cause: 'malformed', make: () => Promise.resolve('a'.repeat(9_000)) },
];

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The same token in other letters; made until there is something to spell otherwise. */
async function spelled(otherwise: (token: string) => string): Promise<string> {
  for (;;) {
    const token = await face.token({ jti: randomBytes(8).toString('hex') });
    if (otherwise(token) !== token) return otherwise(token);
  }
}

function tampered(token: string): string {
  const [header = '', , signature = ''] = token.split('.');
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url')
    .toString()
    .replace('alice', 'admin');
  return `${header}.${Buffer.from(payload).toString('base64url')}.${signature}`;
}

describe('a token that is refused, with one answer for all', () => {
  test.each(BAD)('$what', async ({ cause, make }) => {
    const answer = await face.send({ token: await make() });
    expect(answer.status).toBe(401);
    expect(
      answer.headers['www-authenticate']?.replaceAll(
        /error_description="[^"]*"/gu,
        'error_description="The access token is not good."',
      ),
    ).toBe(CHALLENGE);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(face.refused).toEqual([cause]);
    expect(face.seen).toEqual([]);
  });

  test('a revoked session', async () => {
    const token = await face.token();
    expect((await face.send({ token })).status).toBe(200);
    face.revoked.add('ab'.repeat(16));
    const answer = await face.send({ token });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe(CHALLENGE);
    expect(face.refused).toEqual(['revoked']);
  });

  test('one that was good and is over, though it was remembered', async () => {
    const token = await face.token({ exp: nowS() + 10 });
    expect((await face.send({ token })).status).toBe(200);
    face.clock.advance(16_000);
    expect((await face.send({ token })).status).toBe(401);
    expect(face.refused).toEqual(['expired']);
  });
});

describe('what is retried', () => {
  test('nobody can say what is revoked', async () => {
    face.feedIsDead = true;
    const answer = await face.send();
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.headers['www-authenticate']).toBeUndefined();
    expect(face.seen).toEqual([]);
  });

  test('no key is known', async () => {
    const kept = new Map(face.keys);
    const token = await face.token();
    face.keys.clear();
    const answer = await face.send({ token });
    for (const [name, key] of kept) face.keys.set(name, key);
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
  });
});

describe('a credential that is none', () => {
  test('nothing at all is told no error', async () => {
    const answer = await face.send({ headers: { authorization: undefined } });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe(
      `Bearer resource_metadata="${METADATA}", scope="context:read context:call", ` +
        `DPoP resource_metadata="${METADATA}", scope="context:read context:call", algs="ES256 EdDSA"`,
    );
    expect(face.refused).toEqual(['missing']);
  });

  const token = 'a.b.c';
  test.each([
    {
      what: 'Basic',
      headers: { authorization: 'Basic dXNlcjpwYXNz' },
      path: '/mcp',
      status: 401,
      cause: 'scheme',
    },
    { what: 'a bare token', headers: { authorization: token }, path: '/mcp', status: 401, cause: 'scheme' },
    {
      what: 'two tokens in one header',
      headers: { authorization: `Bearer ${token}, Bearer ${token}` },
      path: '/mcp',
      status: 401,
      cause: 'scheme',
    },
    {
      what: 'two headers',
      headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] },
      path: '/mcp',
      status: 400,
      cause: 'several',
    },
    {
      what: 'a token in the query',
      headers: { authorization: undefined },
      path: `/mcp?access_token=${token}`,
      status: 400,
      cause: 'in_query',
    },
    {
      what: 'a token in the query and in the header',
      headers: { authorization: `Bearer ${token}` },
      path: `/mcp?a=1&access_token=${token}`,
      status: 400,
      cause: 'in_query',
    },
  ])('$what', async ({ headers, path, status, cause }) => {
    const answer = await face.send({ headers, path });
    expect(answer.status).toBe(status);
    expect(face.refused).toEqual([cause]);
    expect(face.seen).toEqual([]);
  });
});

describe('a token that is taken', () => {
  test.each([
    { what: 'Ed25519', make: () => face.token() },
    { what: 'P-256', make: () => face.token({}, { header: { alg: 'ES256', kid: 'ec-1' }, key: face.ecKey }) },
    { what: 'one audience as text', make: () => face.token({ aud: `${ORIGIN}/mcp` }) },
    {
      what: 'expired within the skew',
      make: () => face.token({ iat: nowS() - 604, nbf: nowS() - 604, exp: nowS() - 4 }),
    },
    { what: 'valid within the skew', make: () => face.token({ nbf: nowS() + 4 }) },
  ])('$what', async ({ make }) => {
    expect((await face.send({ token: await make() })).status).toBe(200);
    expect(face.refused).toEqual([]);
  });

  test('says who calls', async () => {
    await face.send({ token: await face.token({ client_id: 'https://client.example/meta.json' }) });
    expect(face.seen[0]?.caller).toMatchObject({
      principal: { id: 'user:alice', tenant: 'default', method: 'certificate' },
      sessionId: 'ab'.repeat(16),
      clientId: 'https://client.example/meta.json',
      peerAddress: '127.0.0.1',
    });
  });

  test('is counted', async () => {
    await face.send({ token: 'opaque' });
    const text = await face.exposition();
    expect(text).toMatch(/sallyport_door_token_refusals_total\{cause="malformed",service="gateway"\} [1-9]/u);
    expect(text).toMatch(
      /sallyport_door_requests_total\{revision="none",kind="refused",status="401",service="gateway"\} [1-9]/u,
    );
  });
});

describe('routes', () => {
  test('are not told apart before somebody is known', async () => {
    const [there, absent] = await Promise.all(
      ['files', 'absent'].map((route) =>
        face.send({ path: `/mcp/${route}`, headers: { authorization: undefined } }),
      ),
    );
    expect(there?.status).toBe(401);
    expect(absent?.status).toBe(401);
    expect(absent?.text).toBe(there?.text);
    expect(absent?.headers['www-authenticate']?.replaceAll('absent', 'files')).toBe(
      there?.headers['www-authenticate'],
    );
  });

  test('a token for the whole door is not for one of its routes', async () => {
    const answer = await face.send({ path: '/mcp/files', token: await face.token({ aud: `${ORIGIN}/mcp` }) });
    expect(answer.status).toBe(401);
    expect(face.refused).toEqual(['audience']);
  });

  test('one that is not there is 404 for who has a token for it', async () => {
    expect((await face.send({ path: '/mcp/absent' })).status).toBe(404);
    expect((await face.send({ path: '/mcp/files' })).status).toBe(200);
  });

  test.each(['/mcp/', '/mcp/Files', '/mcp/files/more', '/mcp/..', '/mcp/%66iles'])(
    '%s is none',
    async (path) => {
      expect((await face.send({ path })).status).toBe(404);
    },
  );
});

describe('scopes', () => {
  const call = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } });
  test.each([
    {
      what: 'a call without the scope for calls',
      scope: 'context:read',
      body: call,
      missing: 'context:call',
    },
    {
      what: 'a ping without the scope to read',
      scope: 'context:call',
      body: undefined,
      missing: 'context:read',
    },
    { what: 'no scope at all', scope: '', body: undefined, missing: 'context:read' },
    { what: 'a token that says nothing of scopes', scope: undefined, body: call, missing: 'context:call' },
  ])('$what', async ({ scope, body, missing }) => {
    const answer = await face.send({ token: await face.token({ scope }), body });
    expect(answer.status).toBe(403);
    expect(answer.headers['www-authenticate']).toContain(
      `Bearer resource_metadata="${METADATA}", scope="${missing}", error="insufficient_scope"`,
    );
    expect(face.seen).toEqual([]);
  });

  test('each is enough for its own', async () => {
    expect((await face.send({ token: await face.token({ scope: 'context:read' }) })).status).toBe(200);
    expect((await face.send({ token: await face.token({ scope: 'context:call' }), body: call })).status).toBe(
      200,
    );
  });
});
