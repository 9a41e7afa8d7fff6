/** Which gateway a session is opened at: any of those that are there. The client goes to the next when one is gone. */
import { randomInt } from 'node:crypto';
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

/** The same addresses, beginning with any of them: many who send share the gateways. */
export function beginningAnywhere(
  addresses: readonly string[],
  first: number = randomInt(addresses.length),
): readonly string[] {
  return [...addresses.slice(first), ...addresses.slice(0, first)];
}
