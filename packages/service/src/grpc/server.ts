/** The gRPC edge of a service: mutual TLS 1.3, one caller per connection, default deny, bounded in every direction. */
import type { Clock } from '../clock/index.ts';
import type { Identity, Trust } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { Tracer } from '../telemetry/index.ts';
import type { ServiceImplementation } from './implement.ts';
import type { GrpcLimits } from './limits.ts';
import type { AuthorizePrincipal, OnDecision, OnOutcome } from './ports.ts';

export interface GrpcServerOptions {
  readonly identity: Identity;
  readonly trust: Trust;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly services: readonly ServiceImplementation[];
  /** Default `required`. `none` is refused at start-up for services with a method that is not for anyone. */
  readonly clientCertificate?: 'required' | 'none';
  /** Needed at start-up as soon as one method is for principals. */
  readonly authorizePrincipal?: AuthorizePrincipal;
  /** Needed together with `authorizePrincipal`. */
  readonly onDecision?: OnDecision;
  readonly onOutcome?: OnOutcome;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly tracer?: Tracer;
  readonly limits?: Partial<GrpcLimits>;
}

export interface GrpcServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `127.0.0.1:8446`. */
  readonly address: string;
  /** What grpc.health.v1 answers: starts true; set false before a drain. */
  setServing(serving: boolean): void;
  /** Takes no new calls, lets those under way end within `graceMs` (default 5000), then cuts. Idempotent. */
  close(graceMs?: number): Promise<void>;
}

/** Listens, or throws `TypeError` naming what in the options or the protos does not fit, or the listener's error. */
export async function startGrpcServer(_options: GrpcServerOptions): Promise<GrpcServer> {
  throw new Error('in progress');
}
