/** Builds the Model Context Protocol door of a gateway, in order, and takes it down in reverse. */
import type { ServiceRuntime } from '@sallyport/service/runtime';
import type { Probes } from '@sallyport/service/process';
import type { DoorConfig } from './config.ts';
import type { DoorServers } from './http/index.ts';
import type { ProofGuard } from './ports.ts';

/** What the door shares with the rest of the gateway. */
export type DoorParts = {
  readonly runtime: ServiceRuntime;
  readonly probes: Pick<Probes, 'port' | 'handle'>;
  readonly proofs: ProofGuard;
  /** By route; made of `config.servers` unless given. */
  readonly servers: DoorServers;
};

export type ComposedDoor = AsyncDisposable & {
  readonly readiness: Readonly<Record<string, () => Promise<string | void>>>;
  readonly publicOrigin: string;
};

export type ComposeDoor = (config: DoorConfig, parts: DoorParts) => Promise<ComposedDoor>;
