/** The provider's access tokens, issued by the one place that issues them, under keys that rotate without a restart. */
import { errors, type Provider } from 'oidc-provider';
import type { AccessTokenWanted, IssueAccessToken } from './ports.ts';

/**
 * Not a documented seam of the library: its model is told to ask us instead of signing. The flow's tests hold it, and the
 * version is pinned.
 */
export function issueBy(provider: Provider, issueAccessToken: IssueAccessToken): void {
  Object.assign(provider.AccessToken.prototype, {
    async getValueAndPayload(this: IssuedToken) {
      const { token, expiresInSeconds } = await issueAccessToken(wantedOf(this));
      this.expiresIn = expiresInSeconds;
      // Without a payload nothing is stored: the token's session is what is kept.
      return { value: token };
    },
  });
}

type IssuedToken = {
  readonly accountId?: string;
  readonly clientId?: string;
  readonly grantId?: string;
  readonly scope?: string;
  readonly jkt?: string;
  readonly aud?: string | readonly string[];
  expiresIn?: number;
};

function wantedOf({ accountId, clientId, grantId, scope, jkt, aud }: IssuedToken): AccessTokenWanted {
  if (accountId === undefined || clientId === undefined || grantId === undefined)
    throw new errors.InvalidGrant('nobody is behind this token');
  if (aud === undefined) throw new errors.InvalidTarget('resource is missing');
  if (scope === undefined || scope === '') throw new errors.InvalidScope('no scope was granted', '');
  return {
    sessionId: grantId,
    principal: accountId,
    clientId,
    audience: typeof aud === 'string' ? [aud] : aud,
    scopes: scope.split(' '),
    thumbprint: jkt,
  };
}
