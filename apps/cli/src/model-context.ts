/** The Model Context Protocol door of a deployment on one machine: what stands in `sallyport.yaml`, and what follows from it. */
import { createRequire } from 'node:module';
import { boolean, list, object, oneOf, optional, type Infer } from '@sallyport/service/config';
import { pageOriginField, publicOriginField } from '@sallyport/service/process';
import { metadataDocumentFields } from '@sallyport/auth-service/metadata-documents';
import { serverConfigOf, serversSchema, type WrittenServer } from '@sallyport/gateway/servers';

export const modelContextConfig = object({
  /** Tokens that are bound to no key, as stock clients send them. Default: in the embedded profile, and nowhere else. */
  allowBearerTokens: optional(boolean()),
  /** `https://host[:port]`, as clients reach it. Default: localhost and the HTTPS port. */
  publicOrigin: optional(publicOriginField()),
  /** Of web pages that may use the door. */
  allowedOrigins: list(pageOriginField()),
  /** Clients may register themselves (RFC 7591), as most do that publish nothing about themselves. Default: as above. */
  allowDynamicRegistration: optional(boolean()),
  ...metadataDocumentFields,
  /** What becomes of a tool that nobody decided about: its first definition is pinned, or waits for approval. */
  pinning: oneOf(['first-use', 'approve'], { default: 'first-use' }),
  /** By route. Default: the official demonstration server as `everything`. */
  servers: serversSchema,
});

export type { WrittenServer };
export type ModelContextConfig = Infer<typeof modelContextConfig>;
export type ServersConfig = Readonly<Record<string, ReturnType<typeof serverConfigOf>>>;

/** By stdio: over HTTP it would listen on all interfaces. */
export const DEMONSTRATION_ROUTE = 'everything';

/** The official server of every feature, on the Node that runs this. */
export function demonstration() {
  const main = createRequire(import.meta.url).resolve(
    '@modelcontextprotocol/server-everything/dist/index.js',
  );
  return {
    [DEMONSTRATION_ROUTE]: { kind: 'stdio', command: process.execPath, args: [main, 'stdio'] },
  } as const;
}

/** As they are written in a gateway's own file, by `write`. */
export function writtenServers(
  { servers }: Pick<ModelContextConfig, 'servers'>,
  write: (server: WrittenServer) => unknown,
): Readonly<Record<string, unknown>> {
  const written = Object.entries(servers);
  if (written.length === 0) return demonstration();
  return Object.fromEntries(written.map(([route, server]) => [route, write(server)]));
}

/** As the gateway takes them. */
export function serversOf({ servers }: Pick<ModelContextConfig, 'servers'>): ServersConfig {
  const written = Object.entries(servers);
  if (written.length === 0) return demonstration();
  return Object.fromEntries(written.map(([route, server]) => [route, serverConfigOf(server)]));
}

/** What is said of the door when it is ready. */
export type ShownDoor = {
  readonly origin: string;
  /** At least one. */
  readonly routes: readonly string[];
  readonly takesBearerTokens: boolean;
};

/** `takesBearerTokens`: what the profile does unless it is told. */
export function shownDoor(
  config: ModelContextConfig,
  httpsPort: number,
  takesBearerTokens: boolean,
): ShownDoor {
  return {
    origin: publicOriginOf(config, httpsPort),
    routes: Object.keys(serversOf(config)),
    takesBearerTokens: config.allowBearerTokens ?? takesBearerTokens,
  };
}

/** Where clients reach the door: issuer of tokens and origin of what they are for. */
export const publicOriginOf = (config: Pick<ModelContextConfig, 'publicOrigin'>, httpsPort: number): string =>
  config.publicOrigin ?? `https://localhost:${httpsPort}`;
