/** Which gateway a session is opened at: any of those that are there, so that one that is gone is not in the way. */
import { randomInt } from 'node:crypto';
import { ChannelError, type Channel } from '@sallyport/client';
import { UsageError } from '../exit.ts';

const ADDRESS = /^(?:\[[0-9a-f:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/iu;
const MAX_PORT = 65_535;

/** `a:1,b:2` from the command line. Throws `UsageError`. */
export function parseGateways(text: string): readonly string[] {
  const addresses = text.split(',').map((part) => part.trim());
  for (const address of addresses) {
    const port = Number(ADDRESS.exec(address)?.[1] ?? 0);
    if (port < 1 || port > MAX_PORT)
      throw new UsageError(`--gateway "${address}" must be host:port, several with commas between.`);
  }
  return addresses;
}

/**
 * Opens at one after the other, beginning anywhere, until one answers. Rejects with the last one's `ChannelError` when
 * none does, and at once with whatever else a gateway answers: that is about us, not about the gateway.
 */
export async function openAtAny(
  addresses: readonly string[],
  open: (address: string) => Promise<Channel>,
  first: number = randomInt(addresses.length),
): Promise<Channel> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await open(addresses[(first + tried - 1) % addresses.length] ?? '');
    } catch (error) {
      if (tried >= addresses.length || !isAboutTheGateway(error)) throw error;
    }
  }
}

/** Away, or not ready to take a session; another replica may be. */
function isAboutTheGateway(error: unknown): boolean {
  if (!(error instanceof ChannelError)) return false;
  return (
    error.kind === 'connection' ||
    error.kind === 'timeout' ||
    error.code === 'unavailable' ||
    error.code === 'busy'
  );
}
