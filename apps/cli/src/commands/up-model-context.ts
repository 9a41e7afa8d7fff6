/** What `up` prints for clients of the Model Context Protocol that nobody here wrote. */
import { quoted } from '../format.ts';
import { DEMONSTRATION_ROUTE } from '../model-context.ts';
import type { Home } from '../state/home.ts';
import { DEVELOPMENT_SIGN_INS } from '../state/identities.ts';

/**
 * Two ways in: by signing in at a browser page, which the client opens, or with a token in a header. `flags`: what the
 * printed commands need to find the state folder; `route`: a server to show it with.
 */
export function modelContextLines(home: Home, flags: string, route: string = DEMONSTRATION_ROUTE): string[] {
  const url = `https://localhost:${home.ports.https}/mcp/${route}`;
  const trust = `NODE_EXTRA_CA_CERTS=${quoted(home.caFile)}`;
  const [user] = DEVELOPMENT_SIGN_INS;
  return [
    'Model Context Protocol, for clients as they come:',
    `  server            ${url}`,
    `  all servers       https://localhost:${home.ports.https}/mcp`,
    `  sign in as        ${user}, password in ${home.passwordFile(user)}`,
    `  or with a token   npx sallyport token --as ${user} --audience ${route}${flags}`,
    `  a client that speaks HTTP, on Node, needs ${trust}; one that`,
    '  runs commands takes this one, and so does a terminal:',
    `    ${trust} npx mcp-remote ${url}`,
    '  Many clients read it as JSON:',
    `    ${JSON.stringify({ mcpServers: { sallyport: stdioEntry(url, home.caFile) } })}`,
  ];
}

const stdioEntry = (url: string, caFile: string) => ({
  command: 'npx',
  args: ['mcp-remote', url],
  env: { NODE_EXTRA_CA_CERTS: caFile },
});
