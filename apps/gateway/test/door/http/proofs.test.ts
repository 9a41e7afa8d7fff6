/** DPoP proofs at the HTTPS face (RFC 9449 section 4.3), each kind of a bad one by itself. */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ProofGuard } from '../../../src/door/ports.ts';
import {
  ORIGIN,
  PING,
  proofKey,
  proofOf,
  startFace,
  type Answer,
  type Face,
  type ProofKey,
} from '../support/face.ts';

const HISTORY = 'AAAAAAAAAAA';
let face: Face;
let key: ProofKey;
let other: ProofKey;
let verdict: 'real' | 'stale' | 'away' = 'real';
const claimed: Parameters<ProofGuard['claim']>[0][] = [];

beforeAll(async () => {
  const seen = new Set<string>();
  face = await startFace({
    allowsBearer: false,
    proofs: {
      claim: async (proof) => {
        claimed.push(proof);
        if (verdict === 'away') throw new Error('Redis is away');
        if (verdict === 'stale' && (await proof.madeIn?.())?.has(HISTORY) !== true) return 'stale';
        const name = `${proof.thumbprint} ${proof.tokenId}`;
        return seen.has(name) ? 'seen' : (seen.add(name), 'new');
      },
      histories: () => [HISTORY],
    },
  });
  key = await proofKey();
  other = await proofKey('Ed25519');
});
beforeEach(() => {
  verdict = 'real';
  face.refused.length = 0;
  face.seen.length = 0;
  claimed.length = 0;
});
afterAll(() => face[Symbol.asyncDispose]());

const bound = (to: ProofKey = key): Promise<string> => face.token({ cnf: { jkt: to.thumbprint } });
const nowS = (): number => Math.floor(face.clock.now() / 1_000);

async function show(
  token: string,
  dpop: string | readonly string[] | undefined,
  path = '/mcp',
): Promise<Answer> {
  return face.send({ path, headers: { authorization: `DPoP ${token}`, dpop } });
}

type Changes = NonNullable<Parameters<typeof proofOf>[3]>;
const BAD: readonly {
  readonly what: string;
  readonly cause: string;
  readonly changes: () => Changes | Promise<Changes>;
}[] = [
  { what: 'for another method', cause: 'proof_method', changes: () => ({ claims: { htm: 'GET' } }) },
  { what: 'for a method in lower case', cause: 'proof_method', changes: () => ({ claims: { htm: 'post' } }) },
  { what: 'for no method', cause: 'proof_method', changes: () => ({ claims: { htm: undefined } }) },
  {
    what: 'for another route',
    cause: 'proof_url',
    changes: () => ({ claims: { htu: `${ORIGIN}/mcp/files` } }),
  },
  {
    what: 'for another host',
    cause: 'proof_url',
    changes: () => ({ claims: { htu: 'https://other.example/mcp' } }),
  },
  {
    what: 'for another port of this machine',
    cause: 'proof_url',
    changes: () => ({ claims: { htu: 'https://localhost:9/mcp' } }),
  },
  {
    what: 'for another scheme',
    cause: 'proof_url',
    changes: () => ({ claims: { htu: 'http://localhost:8443/mcp' } }),
  },
  { what: 'for no URL', cause: 'proof_url', changes: () => ({ claims: { htu: undefined } }) },
  {
    what: 'for a URL with a user',
    cause: 'proof_url',
    changes: () => ({ claims: { htu: 'https://a@localhost:8443/mcp' } }),
  },
  { what: 'for another token', cause: 'proof_token', changes: () => ({ claims: { ath: 'A'.repeat(43) } }) },
  { what: 'for no token', cause: 'proof_token', changes: () => ({ claims: { ath: undefined } }) },
  { what: 'made too long ago', cause: 'proof_time', changes: () => ({ claims: { iat: nowS() - 62 } }) },
  { what: 'made in the future', cause: 'proof_time', changes: () => ({ claims: { iat: nowS() + 7 } }) },
  { what: 'made at no time', cause: 'proof_malformed', changes: () => ({ claims: { iat: undefined } }) },
  {
    what: 'made at a time that is text',
    cause: 'proof_malformed',
    changes: () => ({ claims: { iat: 'now' } }),
  },
  { what: 'without an id', cause: 'proof_malformed', changes: () => ({ claims: { jti: undefined } }) },
  { what: 'with an empty id', cause: 'proof_malformed', changes: () => ({ claims: { jti: '' } }) },
  {
    what: 'with an id of 257 characters',
    cause: 'proof_malformed',
    changes: () => ({ claims: { jti: 'x'.repeat(257) } }),
  },
  { what: 'with an id that is a number', cause: 'proof_malformed', changes: () => ({ claims: { jti: 7 } }) },
  {
    what: 'of more than 4 KiB',
    cause: 'proof_malformed',
    changes: () => ({ claims: { more: 'x'.repeat(4_096) } }),
  },
  { what: 'of type JWT', cause: 'proof_malformed', changes: () => ({ header: { typ: 'JWT' } }) },
  {
    what: 'of the type of a token',
    cause: 'proof_malformed',
    changes: () => ({ header: { typ: 'at+jwt' } }),
  },
  { what: 'of no type', cause: 'proof_malformed', changes: () => ({ header: { typ: undefined } }) },
  { what: 'without a key', cause: 'proof_key', changes: () => ({ header: { jwk: undefined } }) },
  {
    what: 'with the private key',
    cause: 'proof_key',
    changes: () => ({ header: { jwk: key.privateKey.export({ format: 'jwk' }) } }),
  },
  {
    what: 'with a symmetric key',
    cause: 'proof_key',
    changes: () => ({ header: { jwk: { kty: 'oct', k: 'AAAA' } } }),
  },
  {
    what: 'with another key than the token names',
    cause: 'proof_key',
    changes: async () => ({ header: { jwk: (await proofKey()).jwk } }),
  },
  {
    what: 'signed by another key than it shows',
    cause: 'proof_signature',
    changes: async () => ({ key: (await proofKey()).privateKey }),
  },
  {
    what: 'that names another algorithm than its key has',
    cause: 'proof_malformed',
    changes: () => ({ header: { alg: 'EdDSA' }, key: other.privateKey }),
  },
];

describe('a proof that is refused, with one answer for all', () => {
  test.each(BAD)('$what', async ({ cause, changes }) => {
    const token = await bound();
    const answer = await show(token, await proofOf(key, token, face.clock.now(), await changes()));
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(
      /^DPoP resource_metadata="[^"]+", scope="[^"]+", error="invalid_dpop_proof", .*algs="ES256 EdDSA"$/u,
    );
    expect(face.refused).toEqual([cause]);
    expect(face.seen).toEqual([]);
    // What is wrong takes no place among the proofs that were seen.
    expect(claimed).toEqual([]);
  });

  test('unsigned', async () => {
    const token = await bound();
    const [, payload = ''] = (await proofOf(key, token, face.clock.now())).split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk: key.jwk })).toString(
      'base64url',
    );
    expect((await show(token, `${header}.${payload}.`)).status).toBe(401);
    expect(face.refused).toEqual(['proof_algorithm']);
  });

  test('with a secret', async () => {
    const token = await bound();
    const [, payload = ''] = (await proofOf(key, token, face.clock.now())).split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'dpop+jwt', jwk: key.jwk })).toString(
      'base64url',
    );
    const input = `${header}.${payload}`;
    const signature = createHmac('sha256', JSON.stringify(key.jwk)).update(input).digest('base64url');
    expect((await show(token, `${input}.${signature}`)).status).toBe(401);
    expect(face.refused).toEqual(['proof_algorithm']);
  });

  test('used a second time', async () => {
    const token = await bound();
    const proof = await proofOf(key, token, face.clock.now());
    expect((await show(token, proof)).status).toBe(200);
    const again = await show(token, proof);
    expect(again.status).toBe(401);
    expect(again.headers['www-authenticate']).toContain('error="invalid_dpop_proof"');
    expect(face.refused).toEqual(['proof_seen']);
    expect(face.seen).toHaveLength(1);
  });

  test('none', async () => {
    expect((await show(await bound(), undefined)).status).toBe(401);
    expect(face.refused).toEqual(['proof_missing']);
  });

  test('two headers', async () => {
    const token = await bound();
    const proof = await proofOf(key, token, face.clock.now());
    expect((await show(token, [proof, proof])).status).toBe(400);
    expect(face.refused).toEqual(['several']);
  });

  test('no JWT at all', async () => {
    expect((await show(await bound(), 'nothing')).status).toBe(401);
    expect(face.refused).toEqual(['proof_malformed']);
  });
});

describe('tokens and schemes that do not fit', () => {
  test('a bound token as bearer, where bearer is allowed', async () => {
    await using open = await startFace({ allowsBearer: true });
    const token = await open.token({ cnf: { jkt: key.thumbprint } });
    const answer = await open.send({
      headers: { authorization: `Bearer ${token}`, dpop: await proofOf(key, token, open.clock.now()) },
    });
    expect(answer.status).toBe(401);
    expect(open.refused).toEqual(['bound']);
  });

  test('a token that is bound to nothing, where that is not allowed', async () => {
    const answer = await face.send();
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toMatch(/^DPoP .*error="invalid_token"/u);
    expect(answer.headers['www-authenticate']).not.toContain('Bearer');
    expect(face.refused).toEqual(['unbound']);
  });

  test('a token that is bound to nothing, with a proof', async () => {
    const token = await face.token();
    expect((await show(token, await proofOf(key, token, face.clock.now()))).status).toBe(401);
    expect(face.refused).toEqual(['unbound']);
  });
});

describe('a proof that is taken', () => {
  test.each(['P-256', 'Ed25519'] as const)('of a %s key', async (kind) => {
    const own = await proofKey(kind);
    const token = await bound(own);
    expect((await show(token, await proofOf(own, token, face.clock.now()))).status).toBe(200);
  });

  test.each([
    { what: 'another name of this machine', htu: 'https://127.0.0.1:8443/mcp' },
    { what: 'with a query', htu: `${ORIGIN}/mcp?x=1` },
    { what: 'with a fragment', htu: `${ORIGIN}/mcp#x` },
    { what: 'in capitals', htu: 'HTTPS://LOCALHOST:8443/mcp' },
  ])('for $what', async ({ htu }) => {
    const token = await bound();
    expect(
      (await show(token, await proofOf(key, token, face.clock.now(), { claims: { htu } }), '/mcp?x=1'))
        .status,
    ).toBe(200);
  });

  test('on the port that this process listens on', async () => {
    const token = await bound();
    const htu = `https://localhost:${face.port}/mcp`;
    expect((await show(token, await proofOf(key, token, face.clock.now(), { claims: { htu } }))).status).toBe(
      200,
    );
  });

  test('is claimed once, with what it says of its time', async () => {
    const token = await bound();
    const iat = nowS() - 3;
    await show(token, await proofOf(key, token, face.clock.now(), { claims: { iat, jti: 'x'.repeat(256) } }));
    expect(claimed).toEqual([
      {
        thumbprint: key.thumbprint,
        tokenId: 'x'.repeat(256),
        issuedAtMs: iat * 1_000 - 5_000,
        notAfterMs: iat * 1_000 + 60_000,
      },
    ]);
  });
});

describe('a guard that cannot tell', () => {
  test('away: refused, retryably', async () => {
    verdict = 'away';
    const token = await bound();
    const answer = await show(token, await proofOf(key, token, face.clock.now()));
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(face.seen).toEqual([]);
  });

  test('it may have forgotten: a proof with the nonce of the answer is known to be new', async () => {
    verdict = 'stale';
    const token = await bound();
    const answer = await show(token, await proofOf(key, token, face.clock.now()));
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('error="use_dpop_nonce"');
    const nonce = answer.headers['dpop-nonce'];
    expect(nonce).toMatch(/^[A-Za-z0-9_-]{32,256}$/u);
    const again = await show(token, await proofOf(key, token, face.clock.now(), { claims: { nonce } }));
    expect(again.status).toBe(200);
    const forged = `${String(nonce).slice(0, -2)}${String(nonce).endsWith('AA') ? 'BA' : 'AA'}`;
    expect(
      (await show(token, await proofOf(key, token, face.clock.now(), { claims: { nonce: forged } }))).status,
    ).toBe(401);
  });

  test('a message is the same whichever way it came', async () => {
    const token = await bound();
    await show(token, await proofOf(key, token, face.clock.now()));
    expect(face.seen[0]).toMatchObject({ message: PING, revision: '2025-11-25' });
  });
});
