/** Errors, each with what to do next, and signing out. */
import { markup, Html } from './html.ts';
import { page, type Page } from './page.ts';

const NEXT: Readonly<Record<string, string>> = {
  invalid_client:
    'The program that sent you here is not known, or what it says of itself could not be read. Set it up again, or ask its makers.',
  invalid_client_metadata:
    'The program that sent you here says something of itself that is not accepted here. Tell its makers, or the operator of this service.',
  invalid_redirect_uri:
    'The program that sent you here asked for the answer to go where it may not. Do not go on; set it up again.',
  invalid_request:
    'The program that sent you here asked in a way that cannot be answered. Start again from there; if it happens again, tell its makers.',
  invalid_target:
    'The program that sent you here asked for something that is not here. Check the address that you gave it.',
  session_not_found:
    'This page was open for too long, or in another window, or cookies are blocked. Go back to the program and connect again.',
  forbidden:
    'The form was not sent from the page that we gave you. Go back to the program and connect again.',
  too_many: 'There were too many requests from where you are. Wait a minute, then connect again.',
  not_found: 'There is nothing at this address. Go back to the program and connect again.',
  temporarily_unavailable: 'Something that this service needs is not there right now. Try again in a moment.',
};
const OTHERWISE =
  'Go back to the program that sent you here and connect again. If it happens again, tell the operator of this service.';

export function errorPage(status: number, code: string): Page {
  const known = code in NEXT ? code : status >= 500 ? 'temporarily_unavailable' : 'invalid_request';
  const title = status >= 500 ? 'This does not work right now' : 'This cannot go on';
  return page({
    title,
    status,
    content: markup`<p>${NEXT[code] ?? (status >= 500 ? NEXT['temporarily_unavailable'] : OTHERWISE)}</p>
      <p class="note">For whoever looks into it: <code>${known}</code></p>`,
  });
}

/**
 * `form`: the library's, with its own token against forgery, and the id that its buttons name. `hasAllowed`: some program
 * would be signed out as well.
 */
export function signOutPage(form: string, hasAllowed: boolean): Page {
  const consequence = hasAllowed
    ? 'Programs that you allowed to act for you from this browser are signed out too.'
    : 'You allowed no program anything from this browser.';
  return page({
    title: 'Sign out?',
    content: markup`<p>${consequence}</p>
      ${new Html(form)}
      <button class="main" type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>
      <button type="submit" form="op.logoutForm">Stay signed in</button>`,
  });
}

/** For a browser that came to sign out and is not signed in. */
export function notSignedInPage(): Page {
  return page({
    title: 'Nobody is signed in',
    content: markup`<p>
      There is nothing to sign out of in this browser. You can close this window.
    </p>`,
  });
}

export function signedOutPage(): Page {
  return page({ title: 'Signed out', content: markup`<p>You can close this window.</p>` });
}
