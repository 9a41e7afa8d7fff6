/** What `up` prints for clients of the Model Context Protocol that nobody here wrote. */
import { quoted } from '../format.ts';
import { DEMONSTRATION_ROUTE, type ShownDoor } from '../model-context.ts';
import type { Home } from '../state/home.ts';
import { DEVELOPMENT_SIGN_INS } from '../state/identities.ts';

/**
 * Two ways in: by signing in at a browser page, which the client opens, or with a token in a header. `flags`: what the
 * printed commands need to find the state folder.
 */
export function modelContextLines(home: Home, flags: string, door: ShownDoor): string[] {
  const [route = DEMONSTRATION_ROUTE] = door.routes;
  const url = `${door.origin}/mcp/${route}`;
  const trust = `NODE_EXTRA_CA_CERTS=${quoted(home.caFile)}`;
  const [user] = DEVELOPMENT_SIGN_INS;
  return [
    'Model Context Protocol, for clients as they come:',
    ...door.routes.map((name) => `  ${name.padEnd(17)} ${door.origin}/mcp/${name}`),
    `  all of them       ${door.origin}/mcp`,
    `  sign in as        ${user}, password in ${home.passwordFile(user)}`,
    ...(door.takesBearerTokens
      ? [
          `  or with a token   npx sallyport token --as ${user} --audience ${route}${flags}`,
          '  A client on Node needs the variable here; in a terminal, and for clients that run commands:',
          `    ${trust} npx mcp-remote ${url}`,
          '  Many clients read it as JSON:',
          `    ${JSON.stringify({ mcpServers: { sallyport: stdioEntry(url, home.caFile) } })}`,
        ]
      : [
          '  Only tokens that are bound to a key are taken (DPoP), which few clients have, and clients cannot register themselves.',
          '  For stock clients write into sallyport.yaml:',
          '    modelContext: { allowBearerTokens: true, allowDynamicRegistration: true }',
        ]),
  ];
}

const stdioEntry = (url: string, caFile: string) => ({
  command: 'npx',
  args: ['mcp-remote', url],
  env: { NODE_EXTRA_CA_CERTS: caFile },
});
