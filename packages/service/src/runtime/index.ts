/**
 * What a process gives every service that it hosts. A service's `compose` takes it apart at once and hands each
 * use case the ports it uses: nothing below `compose` sees this type.
 */
import type { Bus } from '../bus/index.ts';
import type { Clock } from '../clock/index.ts';
import type { Identity, Trust } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { Tracer } from '../telemetry/index.ts';

export type ServiceRuntime = {
  /** This service's own certificate and key. */
  readonly identity: Identity;
  /** Whom it believes. */
  readonly trust: Trust;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
};

/** A composed service: what `up` and `main` need to know of it. */
export type ComposedService = AsyncDisposable & {
  readonly name: string;
  /** The port its gRPC server got. */
  readonly port: number;
  /** Named checks; a check rejects, with a message for a person, while the service is not ready. What it resolves to is a note. */
  readonly readiness: Readonly<Record<string, () => Promise<string | void>>>;
};
