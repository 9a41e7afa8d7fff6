/**
 * The second door's servers as destinations of the secure channel: `mcp/<route>`, and `mcp` for all of them together; and where
 * servers attach, `mcp-serve/<route>`.
 */
import { MODEL_CONTEXT_DESTINATION, MODEL_CONTEXT_SERVING } from '@sallyport/channel';
import type { Route } from '../../app/ports.ts';
import type { DoorServers } from '../http/index.ts';
import { createChannelFace } from './face.ts';

/** Where servers attach that nobody connects to, by route. */
export type Serving = { readonly serving: Readonly<Record<string, Route>> };

/** With a wait as long as docs/protocol.md section 13 has it; a client asks again within a minute or means to ask no more. */
const BOUNDS = {
  maxPerSession: 64,
  firstWaitMs: 200,
  waitMs: 20_000,
  keepMs: 60_000,
  maxPieceBytes: 512 * 1024,
} as const;

export type ChannelDestinations = Disposable & {
  readonly byName: Readonly<Record<string, Route>>;
  /** Ends what is under way for a session that was revoked. */
  endSession(sessionId: string): void;
};

/** `mcp/<route>`, `mcp` where all are served as one, `mcp-serve/<route>`. None without servers. */
export function channelDestinations(servers: (DoorServers & Serving) | undefined): ChannelDestinations {
  const face = createChannelFace(BOUNDS);
  const each = [...(servers?.routes ?? [])].map(
    ([route, server]) => [`${MODEL_CONTEXT_DESTINATION}${route}`, face.route(server)] as const,
  );
  const serving = Object.entries(servers?.serving ?? {}).map(
    ([route, destination]) => [`${MODEL_CONTEXT_SERVING}${route}`, destination] as const,
  );
  const together = servers?.federated;
  return {
    byName: {
      ...Object.fromEntries([...each, ...serving]),
      ...(together === undefined ? {} : { [MODEL_CONTEXT_DESTINATION.slice(0, -1)]: face.route(together) }),
    },
    endSession: (sessionId) => face.endSession(sessionId),
    [Symbol.dispose]: () => face[Symbol.dispose](),
  };
}
