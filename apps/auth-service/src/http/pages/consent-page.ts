/** The consent page: which client, as whom, for what, and where the answer goes. Everything on it is escaped. */
import { isLoopbackRedirect } from '../../oauth/client-policy.ts';
import { markup, type Html } from './html.ts';
import { page, type Page } from './page.ts';

export type ConsentView = {
  readonly action: string;
  readonly csrf: string;
  readonly username: string;
  readonly clientName: string;
  readonly clientId: string;
  /** How the client came to be known: by configuration, by a document at its own URL, or by registering itself. */
  readonly clientKind: 'configured' | 'document' | 'registered';
  readonly redirectUri: string;
  readonly resources: readonly string[];
  readonly scopes: readonly string[];
  readonly formTargets: readonly string[];
};

const SCOPE_TEXT: Readonly<Record<string, string>> = {
  'context:read': 'See the tools, resources and prompts that you may use, and read them',
  'context:call': 'Call tools as you, where policy lets you',
  offline_access: 'Stay signed in after you close this window',
};

const KIND_TEXT = {
  configured: 'set up by the operator of this service',
  document: 'described by a document at its own address',
  registered: 'registered itself: nobody has checked its name',
} as const;

export function consentPage(view: ConsentView): Page {
  const { redirectUri } = view;
  const items = (texts: readonly string[]): readonly Html[] => texts.map((text) => markup`<li>${text}</li>`);
  return page({
    title: `Let ${view.clientName} act for you?`,
    formTargets: view.formTargets,
    content: markup`<p>
        You are signed in as <strong>${view.username}</strong>. If you allow it, this client may:
      </p>
      <ul>
        ${items(view.scopes.map((scope) => SCOPE_TEXT[scope] ?? scope))}
      </ul>
      <dl>
        <dt>at</dt>
        ${view.resources.map((resource) => markup`<dd><code>${resource}</code></dd>`)}
        <dt>Client</dt>
        <dd>${view.clientName}, ${KIND_TEXT[view.clientKind]}</dd>
        <dt>Client id</dt>
        <dd><code>${view.clientId}</code></dd>
        <dt>The answer goes to</dt>
        <dd><code>${hostOf(redirectUri)}</code></dd>
      </dl>
      ${
        isLoopbackRedirect(redirectUri)
          ? markup`<p class="warn">
              That is a program on this computer. Only allow it if you have just started it yourself: any
              program here could ask under this name.
            </p>`
          : undefined
      }
      <form method="post" action="${view.action}">
        <input type="hidden" name="csrf" value="${view.csrf}" />
        <button class="main" type="submit" name="action" value="allow">Allow</button>
        <button type="submit" name="action" value="deny">Deny</button>
      </form>
      <p class="note">Whoever runs this Sallyport can end this at any time: <code>sallyport sessions revoke</code>.</p>`,
  });
}

function hostOf(redirectUri: string): string {
  return URL.parse(redirectUri)?.host ?? redirectUri;
}
