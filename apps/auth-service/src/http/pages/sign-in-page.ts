/** The sign-in page: a user name and a password, for a named client. */
import { markup } from './html.ts';
import { page, type Page } from './page.ts';

export type SignInView = {
  readonly action: string;
  readonly csrf: string;
  readonly clientName: string;
  readonly formTargets: readonly string[];
  /** Who is signed in already and must prove it again. */
  readonly username?: string | undefined;
  readonly problem?: 'refused' | 'throttled' | 'unavailable' | undefined;
};

const PROBLEMS = {
  refused: 'User name or password is wrong. Try again.',
  throttled: 'Too many attempts. Wait some minutes, then try again.',
  unavailable: 'Nobody can be signed in right now. Try again in a moment.',
} as const;
const STATUS = { refused: 401, throttled: 429, unavailable: 503 } as const;

export function signInPage(view: SignInView): Page {
  const { username, problem } = view;
  const name =
    username === undefined
      ? markup`<input
          type="text"
          id="username"
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          maxlength="128"
          required
          autofocus
        />`
      : markup`<input
          type="text"
          id="username"
          name="username"
          value="${username}"
          autocomplete="username"
          readonly
        />`;
  return page({
    title: 'Sign in',
    status: problem === undefined ? 200 : STATUS[problem],
    formTargets: view.formTargets,
    content: markup`<p>
        to go on to <strong>${view.clientName}</strong>. Only sign in if you have just started this yourself.
      </p>
      ${problem === undefined ? undefined : markup`<p role="alert" id="problem">${PROBLEMS[problem]}</p>`}
      <form method="post" action="${view.action}">
        <input type="hidden" name="csrf" value="${view.csrf}" />
        <label for="username">User name</label>
        ${name}
        <label for="password">Password</label>
        <input
          type="password"
          id="password"
          name="password"
          autocomplete="current-password"
          maxlength="1024"
          required
        />
        <button class="main" type="submit" name="action" value="sign-in">Sign in</button>
      </form>
      <form method="post" action="${view.action}">
        <input type="hidden" name="csrf" value="${view.csrf}" />
        <button type="submit" name="action" value="cancel">Cancel</button>
      </form>
      <p class="note">
        In development, the first start wrote passwords for alice and guest into the state folder and printed
        where.
      </p>`,
  });
}
