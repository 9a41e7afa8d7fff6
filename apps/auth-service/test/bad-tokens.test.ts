/** What is no good access token: each is told apart from one that is, and nothing more is said about it. */
import { generateKeyPairSync } from 'node:crypto';
import { randomBytes, toHex } from '@sallyport/crypto';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SELF } from '../src/domain/events.ts';
import { createPki, GATEWAY, PUBLIC_ORIGIN, reasonOf, testApp, type TestApp } from './support.ts';

let anchorsPem: string;
let app: TestApp;
beforeAll(async () => {
  anchorsPem = (await createPki()).authority.pem;
});
beforeEach(() => {
  app = testApp(anchorsPem);
});

const wanted = { audience: [`${PUBLIC_ORIGIN}/mcp`], scopes: [] };
const SIGN_IN = {
  principal: 'user:alice',
  clientId: 'https://client.test/app.json',
  sourceAddress: '192.0.2.7',
};
const signedIn = async () => (await app.auth.openTokenSession(SIGN_IN)).sessionId;

/** The id of an open channel session of `workload:batch`, in hex. */
async function channel(): Promise<string> {
  const [sessionId, now] = [randomBytes(16), app.clock.now()];
  const who = { tenant: 'default', principal: 'workload:batch' };
  const told = { id: toHex(randomBytes(16)), timeMs: now, actor: SELF, ...who };
  await app.store.sessions.open(
    {
      ...{ sessionId, ...who, method: 'psk', kind: 'channel', gateway: GATEWAY, sourceAddress: '192.0.2.1' },
      ...{ openedAt: now, notAfter: now + 3_600_000, credentialDigest: randomBytes(32), ended: undefined },
      ...{ clientId: '', parentSessionId: undefined },
    },
    {
      kind: 'session_opened',
      ...told,
      sessionId: toHex(sessionId),
      method: 'psk',
      sourceAddress: '192.0.2.1',
    },
    undefined,
  );
  return toHex(sessionId);
}

describe('what is no good token', () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const own = generateKeyPairSync('ed25519');

  async function good() {
    const sid = await signedIn();
    const { accessToken } = await app.auth.issueAccessToken(sid, wanted);
    const [header = '', payload = '', signature = ''] = accessToken.split('.');
    return {
      accessToken,
      sid,
      header,
      payload,
      signature,
      claims: decodeJwt(accessToken),
      head: decodeProtectedHeader(accessToken),
    };
  }
  type Good = Awaited<ReturnType<typeof good>>;
  /** By the real keys, past the use case: what else is checked beside the signature. */
  const forged = async (
    { claims, head }: Good,
    changes: object,
    heads: object = {},
    algorithm: 'EdDSA' | 'ES256' = 'EdDSA',
  ) => {
    const text = `${part({ ...head, ...heads })}.${part({ ...claims, ...changes })}`;
    const { signature } = await app.tokenKeys.sign(algorithm, Buffer.from(text));
    return `${text}.${Buffer.from(signature).toString('base64url')}`;
  };

  it('is told apart from one that is', async () => {
    const made = await good();
    expect(await app.auth.introspectToken(await forged(made, {}))).toMatchObject({ sessionId: made.sid });
  });

  it.each<[string, (made: Good) => string | Promise<string>]>([
    ['nothing', () => ''],
    ['noise', () => 'a.b.c'],
    ['too long', ({ accessToken }) => accessToken + 'A'.repeat(9000)],
    ['unsigned', ({ head, payload }) => `${part({ ...head, alg: 'none' })}.${payload}.`],
    ['without its signature', ({ header, payload }) => `${header}.${payload}.`],
    [
      'another’s claims',
      ({ header, claims, signature }) => `${header}.${part({ ...claims, sub: 'user:admin' })}.${signature}`,
    ],
    [
      'HS256 by the public key',
      async ({ head, payload }) => {
        const [key] = (await app.tokenKeys.list()).filter(({ keyId }) => keyId === head.kid);
        const secret = key?.publicKey.export({ format: 'raw-public' }) ?? Buffer.alloc(32);
        return new SignJWT(
          JSON.parse(Buffer.from(payload, 'base64url').toString()) as object as Record<string, string>,
        )
          .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: head.kid ?? '' })
          .sign(new Uint8Array(secret));
      },
    ],
    [
      'by a key of its own, with ours named',
      async ({ claims, head }) =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: head.kid ?? '' })
          .sign(own.privateKey),
    ],
    [
      'by a key of its own, brought along',
      async ({ claims }) =>
        new SignJWT(claims)
          .setProtectedHeader({
            alg: 'EdDSA',
            typ: 'at+jwt',
            jwk: own.publicKey.export({ format: 'jwk' }),
          })
          .sign(own.privateKey),
    ],
    ['with the other algorithm in its header', async (made) => forged(made, {}, { alg: 'ES256' })],
    [
      'with the other key named',
      async (made) => {
        const other = (await app.tokenKeys.list()).find(({ algorithm }) => algorithm === 'ES256');
        return forged(made, {}, { kid: other?.keyId });
      },
    ],
    ['without a key named', async (made) => forged(made, {}, { kid: undefined })],
    ['of another type', async (made) => forged(made, {}, { typ: 'JWT' })],
    ['with an extension that must be understood', async (made) => forged(made, {}, { crit: ['exp'] })],
    ['of another issuer', async (made) => forged(made, { iss: 'https://evil.test' })],
    ['expired', async (made) => forged(made, { exp: Math.trunc(app.clock.now() / 1000) })],
    ['without an end', async (made) => forged(made, { exp: undefined })],
    ['not good yet', async (made) => forged(made, { nbf: Math.trunc(app.clock.now() / 1000) + 60 })],
    ['without a session', async (made) => forged(made, { sid: undefined })],
    ['of a session that there is not', async (made) => forged(made, { sid: '00'.repeat(16) })],
    ['of somebody else’s session', async (made) => forged(made, { sub: 'user:bob' })],
    ['of a channel’s session', async (made) => forged(made, { sid: await channel(), sub: 'workload:batch' })],
    ['whose audience is no text', async (made) => forged(made, { aud: 7 })],
  ])('%s', async (_name, make) => {
    const token = await make(await good());
    expect(await app.auth.introspectToken(token)).toBeUndefined();
    expect(await app.auth.revokeToken(undefined, token, 'x')).toBeUndefined();
  });

  it('while nobody can say, nothing is said', async () => {
    const { accessToken } = await good();
    app.clock.advance(1001);
    app.tokenKeys.isAway = true;
    expect(await reasonOf(app.auth.introspectToken(accessToken))).toBe('unavailable');
  });
});
