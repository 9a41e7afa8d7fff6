/** When a process is to end: signals, a parent that is gone, and errors that nobody handled. */
import type { HostProcess } from './host.ts';

export type EndCause = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'parent gone';

export interface EndHandlers {
  /** Called once. */
  readonly onEnd: (cause: EndCause) => void;
  /** A second signal: the person or the system does not want to wait. */
  readonly onInsist: () => void;
  /** An error that nobody handled: the state of this process is unknown. */
  readonly onDefect: (error: unknown) => void;
}

/** A terminal's Ctrl-C reaches the whole process group and a parent passes it on: what comes this close together is one. */
const SAME_SIGNAL_MS = 1_000;

export function watchForEnd(host: HostProcess, monotonic: () => number, handlers: EndHandlers): void {
  let firstAt: number | undefined;
  const end = (cause: EndCause): void => {
    if (firstAt === undefined) {
      firstAt = monotonic();
      handlers.onEnd(cause);
    } else if (cause !== 'parent gone' && monotonic() - firstAt > SAME_SIGNAL_MS) {
      handlers.onInsist();
    }
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) host.on(signal, () => end(signal));
  // The channel closes with the parent, however that died: no orphans.
  if (host.send !== undefined) host.on('disconnect', () => end('parent gone'));
  // Whoever read the log may be gone too; the next write must not be what ends this process.
  host.stderr.on('error', () => undefined);
  let hasFailed = false;
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    host.on(event, (error: unknown) => {
      if (hasFailed) return;
      hasFailed = true;
      handlers.onDefect(error);
    });
  }
}
