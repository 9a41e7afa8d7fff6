import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { fromHex, utf8 } from '@sallyport/crypto';
import type { authv1 } from '@sallyport/proto';
import { SallyportError, type Reason } from '@sallyport/service/errors';
import { describe, expect, it } from 'vitest';
import { messageTo } from '../../test/support/routes.ts';
import { configProblems } from '../config.ts';
import { parseTokenRequest, tokenDestination, TOKEN_DESTINATION } from './token.ts';

const NOW = Date.UTC(2026, 10, 23);
const SESSION = 'ab'.repeat(16);
const ORIGIN = 'https://gw.test:8443';
const SERVERS = {
  a: { kind: 'http', url: 'https://a.test/mcp' },
  b: { kind: 'http', url: 'https://b.test/mcp' },
} as const;

type Asked = {
  sessionId?: Uint8Array;
  audience?: string[];
  scopes?: string[];
  dpopJkt?: string;
  lifetimeSeconds?: number;
};

function world(options: { bearer?: boolean; error?: Error } = {}) {
  const asked: Asked[] = [];
  const auth = {
    issueToken: async (request: unknown) => {
      asked.push(request as Asked);
      if (options.error !== undefined) throw options.error;
      const notAfter = timestampFromMs(NOW + 599_900);
      return {
        accessToken: 'a.b.c',
        notAfter,
        scopes: ['context:read'],
      } as unknown as authv1.IssueTokenResponse;
    },
  };
  const door = { allowBearerTokens: options.bearer ?? true, servers: SERVERS };
  const route = tokenDestination(door, { auth, now: () => NOW, origin: () => ORIGIN })[TOKEN_DESTINATION];
  if (route === undefined) throw new Error('no route');
  const send = async (request: unknown) => {
    const body =
      request === undefined
        ? new Uint8Array()
        : utf8(typeof request === 'string' ? request : JSON.stringify(request));
    const evidence = { ...messageTo().evidence, sessionId: SESSION };
    const result = await route.send(messageTo({ destination: TOKEN_DESTINATION, body, evidence }));
    if (result.kind === 'failure') return result;
    return {
      status: result.status,
      type: result.contentType,
      answer: JSON.parse(Buffer.from(result.body).toString()) as unknown,
    };
  };
  return { asked, send };
}

describe('a token', () => {
  it('is for the session that the message came by, for all routes, for whoever asks for nothing', async () => {
    const { asked, send } = world();
    expect(await send(undefined)).toEqual({
      status: '200',
      type: 'application/json',
      answer: { access_token: 'a.b.c', token_type: 'Bearer', expires_in: 599, scope: 'context:read' },
    });
    expect(asked).toEqual([
      {
        sessionId: fromHex(SESSION),
        audience: [`${ORIGIN}/mcp`, `${ORIGIN}/mcp/a`, `${ORIGIN}/mcp/b`],
        scopes: [],
        dpopJkt: '',
        lifetimeSeconds: 0,
      },
    ]);
  });

  it('is asked for in the words of the request, routes by name', async () => {
    const { asked, send } = world();
    await send({
      audience: ['a', 'https://elsewhere.test/mcp'],
      scopes: ['context:call'],
      dpop_jkt: 'k',
      lifetime_seconds: 60,
    });
    await send({ audience: 'b' });
    expect(asked).toMatchObject([
      {
        audience: [`${ORIGIN}/mcp/a`, 'https://elsewhere.test/mcp'],
        scopes: ['context:call'],
        dpopJkt: 'k',
        lifetimeSeconds: 60,
      },
      { audience: [`${ORIGIN}/mcp/b`] },
    ]);
  });

  it('bound to a key is a DPoP token', async () => {
    expect(await world({ bearer: false }).send({ dpop_jkt: 'k' })).toMatchObject({
      answer: { token_type: 'DPoP' },
    });
  });

  it('bound to none is not given where bearer tokens are not allowed, and auth-service is not asked', async () => {
    const { asked, send } = world({ bearer: false });
    for (const request of [undefined, {}, { audience: 'a' }])
      expect(await send(request)).toMatchObject({ status: '400', answer: { error: 'invalid_request' } });
    expect(asked).toEqual([]);
  });
});

describe('a request that is none', () => {
  it.each([
    '{',
    '[]',
    'null',
    '"a"',
    '{"principal":"user:admin"}',
    '{"session_id":"00"}',
    '{"audience":7}',
    '{"audience":["a",7]}',
    '{"scopes":"context:read"}',
    '{"dpop_jkt":""}',
    '{"dpop_jkt":null}',
    '{"lifetime_seconds":0}',
    '{"lifetime_seconds":601}',
    '{"lifetime_seconds":1.5}',
    '{"lifetime_seconds":"60"}',
    `{"audience":"${'a'.repeat(70_000)}"}`,
    '\ufffe'.repeat(3),
  ])('%.40s', async (text) => {
    const { asked, send } = world();
    expect(await send(text)).toMatchObject({ status: '400', answer: { error: 'invalid_request' } });
    expect(asked).toEqual([]);
  });

  it('bytes that are no text', () => {
    expect(parseTokenRequest(Uint8Array.of(0xff, 0xfe))).toMatchObject({ error: 'invalid_request' });
  });
});

describe('what auth-service refuses', () => {
  const refusal = (reason: Reason, field?: string) =>
    new SallyportError(reason, 'because', field === undefined ? {} : { field });

  it.each([
    [refusal('invalid_argument', 'audience'), 'invalid_target'],
    [refusal('invalid_argument', 'scopes'), 'invalid_scope'],
    [refusal('invalid_argument', 'dpop_jkt'), 'invalid_request'],
    [refusal('session_unknown'), 'invalid_grant'],
    [refusal('session_revoked'), 'invalid_grant'],
  ])('%s is told as %s', async (error, code) => {
    expect(await world({ error }).send({})).toMatchObject({ status: '400', answer: { error: code } });
  });

  it.each([
    ['unavailable', 'upstream_failed', true],
    ['busy', 'upstream_failed', true],
    ['deadline_exceeded', 'upstream_timeout', false],
    ['internal', 'upstream_failed', false],
    ['caller_not_allowed', 'upstream_failed', false],
  ] as const)('%s is a failure of the destination', async (reason, kind, isWithoutEffect) => {
    expect(await world({ error: refusal(reason) }).send({})).toMatchObject({
      kind: 'failure',
      reason: kind,
      status: reason,
      isWithoutEffect,
    });
  });
});

it('without a door there is no such destination', () => {
  expect(
    tokenDestination(undefined, {
      auth: { issueToken: () => Promise.reject(new Error('no')) },
      now: () => 0,
      origin: () => '',
    }),
  ).toEqual({});
});

it('no configured route takes its place', () => {
  const config = { routes: { [TOKEN_DESTINATION]: { kind: 'echo' } } } as unknown as Parameters<
    typeof configProblems
  >[0];
  expect(configProblems(config).join()).toContain('that destination is built in');
});
