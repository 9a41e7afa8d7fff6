/**
 * `/signin/<id>`: signing in, and saying yes or no to a client. The provider keeps the interaction, bound to the browser by
 * a cookie; here it is shown and answered.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SallyportError } from '@sallyport/service/errors';
import { errors } from 'oidc-provider';
import type { OAuthPorts } from '../oauth/ports.ts';
import { OFFLINE_SCOPE, parseResources } from '../oauth/scopes.ts';
import { isCsrfToken } from './csrf.ts';
import type { Page } from './pages/page.ts';
import { errorPage } from './pages/plain-pages.ts';
import { signInPage, type SignInView } from './pages/sign-in-page.ts';
import { readForm } from './request.ts';
import { scopesOf, show, signInView, type Interaction, type ViewParts } from './sign-in-views.ts';

export type SignInOutcome =
  'signed_in' | 'refused' | 'throttled' | 'unavailable' | 'allowed' | 'denied' | 'forged';

export type SignInParts = ViewParts & {
  readonly ports: Pick<OAuthPorts, 'verifyPassword' | 'sessions'>;
  /** Told before a client gets what somebody allowed it. */
  readonly keepClient: (clientId: string) => Promise<void>;
  readonly onOutcome: (outcome: SignInOutcome, sourceAddress: string) => void;
};

type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Where the browser came from. */
  readonly source: string;
};

/** The page to show, or undefined when the response has been sent. */
export async function signIn(parts: SignInParts, exchange: Exchange, uid: string): Promise<Page | undefined> {
  const { provider } = parts;
  const { request, response } = exchange;
  let interaction: Interaction;
  try {
    interaction = await provider.interactionDetails(request, response);
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return errorPage(400, 'session_not_found');
    throw error;
  }
  // The cookie decides; the address must agree, so that a link to somebody else's page shows nothing.
  if (interaction.uid !== uid) return errorPage(400, 'session_not_found');
  if (request.method === 'GET') return show(parts, interaction);
  const form = isSameOrigin(request, parts.issuer) ? await readForm(request) : undefined;
  const step = { uid, prompt: interaction.prompt.name };
  if (form === undefined || !isCsrfToken(parts.csrfKey, step, form.get('csrf'))) {
    parts.onOutcome('forged', exchange.source);
    return errorPage(403, 'forbidden');
  }
  switch (`${step.prompt} ${form.get('action') ?? ''}`) {
    case 'login sign-in':
      return passwordGiven(parts, exchange, interaction, form);
    case 'consent allow':
      return allowed(parts, exchange, interaction);
    case 'login cancel':
    case 'consent deny':
      parts.onOutcome('denied', exchange.source);
      await provider.interactionFinished(
        request,
        response,
        { error: 'access_denied', error_description: 'the user did not allow it' },
        { mergeWithLastSubmission: false },
      );
      return undefined;
    default:
      return errorPage(400, 'invalid_request');
  }
}

/** Browsers say where a form comes from; a form from anywhere else is not ours (a second wall behind the token). */
function isSameOrigin({ headers }: IncomingMessage, issuer: string): boolean {
  const site = headers['sec-fetch-site'];
  return (
    (headers.origin === undefined || headers.origin === issuer) &&
    (site === undefined || site === 'same-origin')
  );
}

async function passwordGiven(
  parts: SignInParts,
  { request, response, source }: Exchange,
  interaction: Interaction,
  form: URLSearchParams,
): Promise<Page | undefined> {
  const again = async (problem: NonNullable<SignInView['problem']>) => {
    parts.onOutcome(problem, source);
    return signInPage(await signInView(parts, interaction, problem));
  };
  const expected = interaction.session?.accountId;
  let user: Awaited<ReturnType<OAuthPorts['verifyPassword']>>;
  try {
    user = await parts.ports.verifyPassword({
      username: form.get('username') ?? '',
      password: form.get('password') ?? '',
      sourceAddress: source,
    });
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    return again(error.reason === 'busy' ? 'throttled' : 'unavailable');
  }
  // Who is signed in proves it again, or signs out first: one browser session is never handed to another user.
  if (user === undefined || (expected !== undefined && expected !== user.principal)) return again('refused');
  parts.onOutcome('signed_in', source);
  await parts.provider.interactionFinished(
    request,
    response,
    // The time of the sign-in is that of its password: who is signed in is so for as long as that one is good (prompts.ts).
    { login: { accountId: user.principal, amr: ['pwd'], remember: false, ts: user.setAt / 1000 } },
    { mergeWithLastSubmission: false },
  );
  return undefined;
}

async function allowed(
  parts: SignInParts,
  { request, response, source }: Exchange,
  interaction: Interaction,
): Promise<Page | undefined> {
  const { provider, ports, issuer } = parts;
  const principal = interaction.session?.accountId;
  if (principal === undefined) return errorPage(400, 'session_not_found');
  const clientId = String(interaction.params['client_id']);
  const resources = parseResources(issuer, interaction.params['resource']);
  await parts.keepClient(clientId);
  let session: Awaited<ReturnType<OAuthPorts['sessions']['open']>>;
  try {
    session = await ports.sessions.open({ principal, clientId, sourceAddress: source });
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    return errorPage(503, 'temporarily_unavailable');
  }
  // The grant is the session, under the same name, and ends with it.
  const grant = new provider.Grant({
    accountId: principal,
    clientId,
    ...{ jti: session.sessionId, exp: Math.trunc(session.notAfter / 1000) },
  });
  const scopes = scopesOf(interaction);
  const ofResources = scopes.filter((scope) => scope !== OFFLINE_SCOPE).join(' ');
  for (const resource of resources) grant.addResourceScope(resource, ofResources);
  if (scopes.includes(OFFLINE_SCOPE)) grant.addOIDCScope(OFFLINE_SCOPE);
  const grantId = await grant.save();
  parts.onOutcome('allowed', source);
  await provider.interactionFinished(request, response, { consent: { grantId } });
  return undefined;
}
