/** What the pages of an interaction show, made of what the client asked for. */
import type { KeyObject } from 'node:crypto';
import type { Provider } from 'oidc-provider';
import { parseResources } from '../oauth/scopes.ts';
import { csrfToken } from './csrf.ts';
import { consentPage } from './pages/consent-page.ts';
import { formTarget, type Page } from './pages/page.ts';
import { errorPage } from './pages/plain-pages.ts';
import { signInPage, type SignInView } from './pages/sign-in-page.ts';

export type ViewParts = {
  readonly issuer: string;
  readonly provider: Provider;
  readonly csrfKey: KeyObject;
  readonly staticClients: ReadonlySet<string>;
};

export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

type Named = {
  readonly name: string;
  readonly id: string;
  readonly redirectUri: string;
  readonly formTargets: readonly string[];
};

async function clientOf({ provider }: ViewParts, { params }: Interaction): Promise<Named> {
  const id = String(params['client_id']);
  const redirectUri = String(params['redirect_uri']);
  const client = await provider.Client.find(id);
  const target = formTarget(redirectUri);
  return {
    id,
    name: client?.clientName ?? hostOf(id) ?? 'a client without a name',
    redirectUri,
    formTargets: target === undefined ? [] : [target],
  };
}

const hostOf = (clientId: string): string | undefined => URL.parse(clientId)?.host;

export async function show(parts: ViewParts, interaction: Interaction): Promise<Page> {
  if (interaction.prompt.name === 'login') return signInPage(await signInView(parts, interaction));
  if (interaction.prompt.name !== 'consent') return errorPage(400, 'invalid_request');
  const { params, uid } = interaction;
  const client = await clientOf(parts, interaction);
  return consentPage({
    action: `/signin/${uid}`,
    csrf: csrfToken(parts.csrfKey, { uid, prompt: 'consent' }),
    username: usernameOf(interaction) ?? '',
    clientName: client.name,
    clientId: client.id,
    clientKind: parts.staticClients.has(client.id)
      ? 'configured'
      : client.id.startsWith('https://')
        ? 'document'
        : 'registered',
    redirectUri: client.redirectUri,
    resources: parseResources(parts.issuer, params['resource']),
    scopes: scopesOf(interaction),
    formTargets: client.formTargets,
  });
}

export async function signInView(
  parts: ViewParts,
  interaction: Interaction,
  problem?: SignInView['problem'],
): Promise<SignInView> {
  const { uid } = interaction;
  const client = await clientOf(parts, interaction);
  return {
    action: `/signin/${uid}`,
    csrf: csrfToken(parts.csrfKey, { uid, prompt: 'login' }),
    clientName: client.name,
    formTargets: client.formTargets,
    username: usernameOf(interaction),
    problem,
  };
}

export function scopesOf({ params }: Interaction): readonly string[] {
  const { scope } = params;
  return (typeof scope === 'string' ? scope : '').split(' ').filter((scope) => scope !== '');
}

function usernameOf({ session }: Interaction): string | undefined {
  return session?.accountId?.replace(/^user:/u, '');
}
