/**
 * What nobody may do at either door: proof, for each bundle before it counts, that it can say no there. A gateway whose
 * first bundle cannot has none, denies everything and is not ready; later ones do not replace the one before.
 */
import type { DecisionRequest, Principal } from '@sallyport/policy-engine';
import { ACTION } from './app/message.ts';
import { OPEN_ACTION, OPEN_RESOURCE } from './app/open-session.ts';
import type { GatewayConfig } from './config.ts';
import { askedOf, askedOfServer, END, LISTEN } from './door/guarded/asked.ts';
import { TOKEN_DESTINATION } from './routes/token.ts';

/** Neither identities nor bindings can have this name: theirs are in lower case (packages/policy-engine, roles). */
const nobody = (method: string): Principal => ({
  ...{ id: 'user:Nobody-Is-Called-This-As-Names-Have-No-Capitals', tenant: 'default', method },
});

const METHODS = [
  'initialize',
  'server/discover',
  'tools/list',
  'tools/call',
  'resources/read',
  'prompts/get',
];

/** By what it is, for the log: an action of each door, at what this gateway leads to. */
export function deniedAtTheDoors({
  routes,
  door,
}: Pick<GatewayConfig, 'routes' | 'door'>): Readonly<Record<string, DecisionRequest>> {
  const channel = nobody('certificate');
  const questions: Record<string, DecisionRequest> = {
    'nobody at the secure channel: session.open': {
      ...{ principal: channel, action: OPEN_ACTION, resource: OPEN_RESOURCE },
    },
  };
  for (const name of [...Object.keys(routes).slice(0, 1), TOKEN_DESTINATION])
    questions[`nobody at the secure channel: ${ACTION} to ${name}`] = {
      ...{ principal: channel, action: ACTION, resource: { kind: 'destination', name } },
    };
  const [route] = Object.keys(door?.servers ?? {});
  if (route === undefined) return questions;
  const params = { name: 'nothing', uri: 'nothing:', arguments: {} };
  const asked = [
    ...METHODS.map((method) => askedOf(route, { jsonrpc: '2.0', id: 0, method, params })),
    ...[LISTEN, END].map((action) => askedOfServer(route, action)),
  ];
  for (const { action, resource, arguments: given } of asked)
    questions[`nobody at the Model Context Protocol door: ${action} at ${route}`] = {
      ...{ principal: nobody('oauth'), action, resource },
      ...(given === undefined ? {} : { arguments: given }),
    };
  return questions;
}
