/** A page: its frame, its style, and the headers that keep everything else out of it. No scripts, no images, no fonts. */
import { createHash } from 'node:crypto';
import { markup, Html } from './html.ts';

export type Page = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

const STYLE = `
:root{color-scheme:light dark;--ink:#1c1f24;--dim:#555c66;--paper:#fff;--edge:#8a929e;--act:#0b57a4;--warn:#8a2b06;--back:#eef0f3}
@media (prefers-color-scheme:dark){:root{--ink:#eceff3;--dim:#b3bac4;--paper:#1d2127;--edge:#7d8794;--act:#8cc4ff;--warn:#ffb59b;--back:#12151a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-width:30rem;margin:4vh auto;padding:1.5rem;background:var(--paper);border:1px solid var(--edge);border-radius:.5rem}
h1{font-size:1.35rem;line-height:1.3;margin:0 0 1rem}
p,dl,ul{margin:0 0 1rem}
label{display:block;font-weight:600;margin-bottom:.25rem}
input[type=text],input[type=password]{width:100%;font:inherit;padding:.6rem;margin-bottom:1rem;color:inherit;background:var(--paper);border:1px solid var(--edge);border-radius:.25rem}
button{font:inherit;font-weight:600;padding:.65rem 1.25rem;margin:0 .5rem .5rem 0;border-radius:.25rem;border:1px solid var(--act);background:var(--paper);color:var(--act);cursor:pointer}
button.main{background:var(--act);color:var(--paper)}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
dt{font-weight:600}dd{margin:0 0 .5rem;overflow-wrap:anywhere}
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
.note{color:var(--dim)}
.warn{border-left:.25rem solid var(--warn);padding-left:.75rem}
[role=alert]{color:var(--warn);font-weight:600}
@media (max-width:34rem){main{margin:0;border:0;border-radius:0;min-height:100vh}button{width:100%}}
`;
const STYLE_DIGEST = createHash('sha256').update(STYLE).digest('base64');

/** `formTargets`: origins or schemes that a form's answer may lead to, beside this one. */
export function page(options: {
  readonly title: string;
  readonly content: Html;
  readonly status?: number;
  readonly formTargets?: readonly string[];
}): Page {
  const { title, content, status = 200, formTargets = [] } = options;
  const body = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · Sallyport</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`.text;
  return { status, headers: pageHeaders(formTargets), body };
}

function pageHeaders(formTargets: readonly string[]): Readonly<Record<string, string>> {
  return {
    'content-type': 'text/html; charset=utf-8',
    // The answer to a form leads on to the client, and browsers hold every step of that against form-action.
    'content-security-policy':
      `default-src 'none'; style-src 'sha256-${STYLE_DIGEST}'; form-action ${["'self'", ...formTargets].join(' ')}; ` +
      "frame-ancestors 'none'; base-uri 'none'",
    ...SAFE_HEADERS,
  };
}

/** On every answer that is not a public document. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Forms must say where they come from, and nobody else needs to know.
  'referrer-policy': 'same-origin',
};

/** How a redirect target stands in a policy. Undefined when it cannot be written there safely. */
export function formTarget(redirectUri: string): string | undefined {
  const url = URL.parse(redirectUri);
  if (url === null) return undefined;
  return /^https?:\/\/[a-z0-9.:[\]-]+$/u.test(url.origin) ? url.origin : undefined;
}
