/** One look at NATS as one of the services. */
import { inspectNats, type NatsInspection } from '@sallyport/service/nats';
import type { NatsSection } from '../cluster/backends.ts';
import { CommandFailed } from '../exit.ts';
import { silentLog } from './silent-log.ts';

export type NatsLook = NatsInspection & { readonly service: string };

/** Throws `CommandFailed` when the service does not get in. */
export async function lookAtNats(service: string, section: NatsSection): Promise<NatsLook> {
  const { servers, user, passwordFile, caFile } = section;
  try {
    const found = await inspectNats({
      name: service,
      ...{ servers, user, passwordFile },
      ...(caFile === undefined ? { allowInsecurePlaintext: true } : { caFile }),
      log: silentLog,
    });
    return { service, ...found };
  } catch (error) {
    throw new CommandFailed(`NATS at ${servers.join(', ')} as ${user}: ${(error as Error).message}`);
  }
}
