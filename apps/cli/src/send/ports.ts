/** What `send` needs of the world; tests put in their own. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { connect, type Channel, type ClientTracer, type Credential } from '@sallyport/client';
import type { CommandContext } from '../commands/context.ts';
import { addressesOf, readTrust } from '../connect.ts';
import { CommandFailed } from '../exit.ts';
import { beginningAnywhere } from './gateways.ts';

export type Input = {
  readonly source: AsyncIterable<Uint8Array>;
  /** Undefined where it cannot be known, as of a pipe. */
  readonly totalBytes: number | undefined;
};

export type SendPorts = {
  /** A file, or standard input for "-". */
  readonly openInput: (path: string) => Promise<Input>;
  readonly openChannel: (context: CommandContext, options: ChannelChoice) => Promise<Channel>;
  /** Milliseconds, never going back. */
  readonly now: () => number;
};

export type ChannelChoice = {
  readonly credential: Credential;
  readonly batch: number | undefined;
  /** Given on the command line. Undefined: those of the running home. */
  readonly gateways: readonly string[] | undefined;
  readonly signal: AbortSignal;
  readonly tracer?: ClientTracer | undefined;
};

const STANDARD_INPUT = 0;

export const systemPorts: SendPorts = {
  async openInput(path) {
    if (path === '-') {
      return {
        source: createReadStream('', { fd: STANDARD_INPUT, autoClose: false }),
        totalBytes: undefined,
      };
    }
    const found = await stat(path).catch((error: unknown) => {
      throw new CommandFailed(`Cannot read ${path}: ${(error as Error).message}`);
    });
    if (found.isDirectory())
      throw new CommandFailed(`${path} is a folder; --file wants a file of JSON lines.`);
    return { source: createReadStream(path), totalBytes: found.isFile() ? found.size : undefined };
  },
  async openChannel({ home }, { credential, batch, gateways, signal, tracer }) {
    const trust = await readTrust(home);
    const addresses = gateways ?? (await addressesOf(home, 'gateway'));
    return connect({
      ...{ addresses: beginningAnywhere(addresses), trust, credential, signal },
      ...(batch === undefined ? {} : { batch }),
      ...(tracer === undefined ? {} : { tracer }),
    });
  },
  now: () => performance.now(),
};
