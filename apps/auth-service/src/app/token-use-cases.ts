/** Tokens and passwords, as gRPC and the authorization server use them; each bound to the ports that it uses. */
import { SallyportError } from '@sallyport/service/errors';
import { SELF, type Actor } from '../domain/events.ts';
import { createAttempts } from './attempts.ts';
import {
  introspectToken,
  revokeToken,
  type IntrospectedToken,
  type IntrospectPorts,
} from './introspect-token.ts';
import { issueAccessToken, type AccessToken, type TokenWanted } from './issue-access-token.ts';
import {
  deletePassword,
  setPassword,
  verifyPassword,
  type PasswordPorts,
  type VerifyPassword,
} from './passwords.ts';
import type { TokenKeys } from './ports.ts';
import { cachedTokenKeys, publicJwks, type PublicJwks } from './public-keys.ts';
import {
  endTokenSession,
  findTokenSession,
  issueToken,
  openTokenSession,
  sidOf,
  type SignIn,
  type TokenSession,
  type TokenSessionPorts,
} from './token-sessions.ts';
import { tokenSigner } from './token-signer.ts';

/** Session ids of tokens are hex here, as they are in `sid`. All throw `SallyportError`; see each use case. */
export interface TokenUseCases {
  /** For whom an open channel session of that gateway (SPIFFE id) is. */
  issueToken(gateway: string, channelSessionId: Uint8Array, wanted: TokenWanted): Promise<AccessToken>;
  /** Of an open token session. */
  issueAccessToken(sessionId: string, wanted: TokenWanted): Promise<AccessToken>;
  openTokenSession(signIn: SignIn): Promise<TokenSession>;
  /** Undefined when it is unknown, over or revoked. */
  findTokenSession(sessionId: string): Promise<TokenSession | undefined>;
  isSessionLive(sessionId: string): Promise<boolean>;
  endTokenSession(actor: Actor, sessionId: string, cause: string): Promise<void>;
  introspectToken(token: string): Promise<IntrospectedToken | undefined>;
  /** `actor` undefined: whoever brings the token, so its own principal. Resolves to the session's id, or undefined. */
  revokeToken(actor: Actor | undefined, token: string, cause: string): Promise<Uint8Array | undefined>;
  jwks(): Promise<PublicJwks>;
}

export interface PasswordUseCases {
  setPassword(actor: Actor, principal: string, password: string): Promise<number>;
  deletePassword(actor: Actor, principal: string): Promise<number>;
  readonly verifyPassword: VerifyPassword;
}

export type TokenAppPorts = Omit<TokenSessionPorts & IntrospectPorts, 'signToken' | 'tokenKeys'> &
  Omit<PasswordPorts, 'attempts'> & { readonly tokenKeys: TokenKeys; readonly monotonic: () => number };

export function tokenUseCases(ports: TokenAppPorts): TokenUseCases & PasswordUseCases {
  const keys = cachedTokenKeys(ports.tokenKeys, ports.monotonic);
  const shared = { ...ports, tokenKeys: keys, signToken: tokenSigner(ports.tokenKeys) };
  const passwords = { ...ports, attempts: createAttempts(ports.monotonic) };
  return {
    issueToken: (gateway, sessionId, wanted) => issueToken(shared, gateway, sessionId, wanted),
    issueAccessToken: async (sid, wanted) => {
      const sessionId = sidOf(sid);
      if (sessionId === undefined) throw new SallyportError('session_unknown', 'no such session of tokens');
      return issueAccessToken(shared, SELF, sessionId, wanted);
    },
    openTokenSession: (signIn) => openTokenSession(shared, signIn),
    findTokenSession: (sid) => findTokenSession(shared, sid),
    isSessionLive: async (sid) => (await findTokenSession(shared, sid)) !== undefined,
    endTokenSession: (actor, sid, cause) => endTokenSession(shared, actor, sid, cause),
    introspectToken: (token) => introspectToken(shared, token),
    revokeToken: (actor, token, cause) => revokeToken(shared, actor, token, cause),
    jwks: () => publicJwks(keys),
    setPassword: (actor, principal, password) => setPassword(passwords, actor, principal, password),
    deletePassword: (actor, principal) => deletePassword(passwords, actor, principal),
    verifyPassword: verifyPassword(passwords),
  };
}
