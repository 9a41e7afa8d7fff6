/** A server as a client of one era sees it: the server itself where it speaks that era, else translated. */
import type { Era } from '@sallyport/model-context';
import type { ModelContextServer, Upstream } from '../ports.ts';
import type { Facing, TranslatePorts } from './ports.ts';
import { sessionOver } from './session-over.ts';
import { statelessOver } from './stateless-over.ts';

/** One per route and era. */
export const facing = (upstream: Upstream, era: Era, ports: TranslatePorts): Facing => {
  const translated = era === 'stateless' ? statelessOver(upstream, ports) : sessionOver(upstream, ports);
  const chosen = async (signal: AbortSignal): Promise<ModelContextServer> =>
    (await upstream.eras(signal)).has(era) ? upstream : translated;
  return {
    send: async (call) => (await chosen(call.signal)).send(call),
    listen: async (call) => (await chosen(call.signal)).listen(call),
    end: async (call) => (await chosen(call.signal)).end(call),
    [Symbol.asyncDispose]: async () => translated[Symbol.asyncDispose](),
  };
};
