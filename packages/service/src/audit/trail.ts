/**
 * A service's own end of the audit trail. What is recorded is on this disk before `record` resolves, and leaves the spool
 * only when audit-service says it is committed and under a signed checkpoint: what the bus took counts for nothing.
 */
import {
  AuditLogError,
  encodeEvent,
  openSpool,
  startShipper,
  tracesOf,
  type AppendOptions,
  type AuditEvent,
  type ShipperClock,
  type Spool,
} from '@sallyport/audit-log';
import type { Bus } from '../bus/index.ts';
import type { Clock } from '../clock/index.ts';
import { SallyportError, unavailable } from '../errors/index.ts';
import type { Log } from '../log/index.ts';
import type { Metrics } from '../metrics/index.ts';
import { formatTraceparent, type Tracer } from '../telemetry/index.ts';
import { busTransport } from './bus-transport.ts';
import { producerOf } from './producer.ts';
import { spoolMeter } from './spool-metrics.ts';
import { createTrailTraces } from './trail-traces.ts';

export interface AuditTrailOptions {
  /** SPIFFE id of the service; together with an instance id kept in the folder it names the producer. */
  readonly serviceId: string;
  /** Absolute path; of this service alone, made when missing. */
  readonly directory: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracer?: Tracer;
  /** Gets what waits in the spool, and what could not be recorded. */
  readonly metrics?: Metrics;
  /** Bound of what is not acknowledged yet. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Without an acknowledgement for this long everything is sent again. Default 5000. */
  readonly resendAfterMs?: number;
}

export interface AuditTrail extends AsyncDisposable {
  /**
   * Resolves when the event is on disk. Throws `SallyportError` `spool_full` (nothing was written) or `unavailable` (not
   * known to be durable), and `AuditLogError` for an event that is out of its bounds. `useReserve`: for the outcome of
   * something already recorded, so that a full spool refuses new work and not the end of old work.
   */
  record(event: AuditEvent, options?: AppendOptions): Promise<void>;
  readonly spool: Spool;
  /** Readiness: rejects while nothing can be recorded. */
  ready(): Promise<void>;
  /** Ships for a moment longer, then stops; what was not acknowledged waits for the next start. Idempotent. */
  dispose(): Promise<void>;
}

const DRAIN_MS = 250;
/** As long as from one checkpoint to the next, which is what an acknowledgement waits for: each batch costs everybody behind. */
const LINGER_MS = 100;

/** Opens the spool and ships from it. Throws `AuditLogError` for a damaged spool or one of another producer. */
export async function startAuditTrail(options: AuditTrailOptions): Promise<AuditTrail> {
  const { serviceId, directory, bus, clock, log, tracer, metrics, maxBytes, resendAfterMs } = options;
  const producer = await producerOf(serviceId, directory);
  const spool = await openSpool({ directory, producer, ...(maxBytes === undefined ? {} : { maxBytes }) });
  const transport = busTransport({ bus, producer, log });
  const traces = createTrailTraces(tracer);
  const meter = spoolMeter(spool, metrics, clock);
  const shipper = startShipper({
    spool,
    transport: {
      async send(batch) {
        const shipping = traces.ship(batch);
        try {
          await transport.send(batch, shipping.traces);
          shipping.end();
        } catch (error) {
          shipping.end('not_sent');
          throw error;
        }
      },
      onAcknowledged: (of, callback) =>
        transport.onAcknowledged(of, (throughSeq) => {
          traces.acknowledged(throughSeq);
          meter.acknowledged();
          callback(throughSeq);
        }),
    },
    clock: shipperClock(clock),
    lingerMs: LINGER_MS,
    ...(resendAfterMs === undefined ? {} : { resendAfterMs }),
    onProblem: ({ kind, cause }) => log.warn('audit events wait in the spool', { kind, error: cause }),
  });

  let writeFailed = false;
  // `spool.full` is about one byte; an event may have been refused before that.
  let refusedAtBytes = Infinity;
  let disposed: Promise<void> | undefined;
  const dispose = (): Promise<void> => {
    disposed ??= (async () => {
      const { remaining } = await shipper.stop(DRAIN_MS);
      if (remaining > 0n)
        log.info('audit events stay in the spool for the next start', { remaining: String(remaining) });
      await transport[Symbol.asyncDispose]();
      await spool.close();
    })();
    return disposed;
  };
  return {
    spool,
    async record(given, append) {
      const event = inActiveTrace(given, tracer);
      const body = encodeEvent(event);
      try {
        const { seq } = await spool.append(body, append);
        traces.appended(seq, event);
        meter.appended();
        writeFailed = false;
      } catch (error) {
        if (error instanceof AuditLogError) {
          if (error.problem === 'spool_write_failed') writeFailed = true;
          if (error.problem === 'spool_full') refusedAtBytes = spool.depthBytes;
          meter.refused(error.problem === 'spool_full' ? 'full' : 'failed');
        }
        throw recordError(error);
      }
    },
    async ready() {
      if (disposed !== undefined) throw unavailable('the audit trail is closed');
      if (spool.full || spool.depthBytes >= refusedAtBytes) throw spoolFull(undefined);
      refusedAtBytes = Infinity;
      if (writeFailed) throw unavailable('the audit spool could not be written; look at its disk');
    },
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

/** What is recorded while a traced call is served belongs to its trace, unless it says itself where it belongs. */
function inActiveTrace(event: AuditEvent, tracer: Tracer | undefined): AuditEvent {
  if (tracer?.isRecording !== true) return event;
  const active = tracer.active();
  if (active?.sampled !== true || tracesOf(event).length > 0) return event;
  return { ...event, traceparent: formatTraceparent(active) };
}

function recordError(error: unknown): unknown {
  if (!(error instanceof AuditLogError)) return error;
  switch (error.problem) {
    case 'spool_full':
      return spoolFull(error);
    case 'spool_write_failed':
    case 'spool_closed':
      return unavailable('the audit event could not be recorded, so the call is refused', { cause: error });
    default:
      return error;
  }
}

function spoolFull(cause: unknown): SallyportError {
  return new SallyportError('spool_full', 'the audit spool is full: is audit-service reachable?', { cause });
}

function shipperClock(clock: Clock): ShipperClock {
  return {
    nowMs: () => clock.monotonic(),
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs);
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  };
}
