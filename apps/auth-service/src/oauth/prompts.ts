/** When a browser that is signed in is asked to sign in again. */
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { PasswordSetAt, TokenSessions } from './ports.ts';

/**
 * The library's own prompts, and two reasons more to sign in again: the password was changed or removed since, or something
 * that was allowed during this sign-in has been ended. Whoever revokes a user's sessions ends the browser's too.
 */
export function promptPolicy(
  passwordSetAt: PasswordSetAt,
  sessions: Pick<TokenSessions, 'find'>,
): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  const { Check } = interactionPolicy;
  const whenSignedIn =
    (isOver: (session: SignedIn) => Promise<boolean>) => async (ctx: KoaContextWithOIDC) => {
      const { session, result } = ctx.oidc;
      if (session?.accountId === undefined || result?.login !== undefined) return Check.NO_NEED_TO_PROMPT;
      const { accountId, authorizations = {} } = session;
      return (await isOver({ accountId, authorizations })) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
    };
  const checks = policy.get('login')?.checks;
  checks?.add(
    new Check(
      'password_changed',
      'the password of this sign-in is no longer good',
      // Also between signing in and consent: a password that is no longer good opens nothing.
      async ({ oidc: { session } }) => {
        if (session?.accountId === undefined) return Check.NO_NEED_TO_PROMPT;
        const setAt = await passwordSetAt(session.accountId);
        return setAt !== undefined && session.loginTs === setAt / 1000
          ? Check.NO_NEED_TO_PROMPT
          : Check.REQUEST_PROMPT;
      },
    ),
  );
  checks?.add(
    new Check(
      'grant_ended',
      'what was allowed during this sign-in has been ended',
      whenSignedIn(async ({ authorizations }) => {
        const grants = Object.values(authorizations).flatMap(({ grantId }) => grantId ?? []);
        const open = await Promise.all(grants.map((grant) => sessions.find(grant)));
        return open.includes(undefined);
      }),
    ),
  );
  return policy;
}

type SignedIn = {
  readonly accountId: string;
  readonly authorizations: Readonly<Record<string, { readonly grantId?: string | undefined }>>;
};
