import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { tokenVerifier } from './access-token.ts';

const ISSUER = 'https://gateway.test';
const NOW_S = 1_800_000_000;

function signed(key: Parameters<typeof sign>[2]): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    ...{ iss: ISSUER, sub: 'user:alice', aud: `${ISSUER}/mcp`, iat: NOW_S, exp: NOW_S + 60, jti: 'j' },
    ...{ client_id: 'c', tenant: 'default', sid: 'ab'.repeat(16), scope: 'context:read' },
  };
  const input = `${part({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k' })}.${part(claims)}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
}

test('what is being verified while all is forgotten is not remembered afterwards', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  let known = true;
  const verifier = tokenVerifier({
    keys: {
      find: () => (known ? { algorithm: 'EdDSA', key: publicKey } : undefined),
      refresh: async () => undefined,
    },
    issuer: ISSUER,
    now: () => NOW_S * 1_000,
  });
  const token = signed(privateKey);
  const verified = verifier.verify(token);
  await new Promise((resolve) => process.nextTick(resolve)); // its key was found, its signature is being looked at
  known = false;
  verifier.forget();
  await verified;
  expect(verifier.remembered).toBe(0);
  expect(await verifier.verify(token)).toBe('unknown_key');
});
