/** What an upstream needs from the rest of the gateway. */
import type { Log } from '@sallyport/service/log';
import type { UpstreamMeter } from './measure.ts';

export type UpstreamPorts = {
  /** `ROUTE_NAME`: a label, and the name of a folder. */
  readonly route: string;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly log: Log;
  readonly meter: UpstreamMeter;
  /** PATH of the gateway: where children's commands are looked up, and all that children inherit of its environment. */
  readonly path: string;
  /** Holds a folder per route and principal, which is HOME of that principal's children. Made when needed, mode 0700. */
  readonly workFolder: string;
};
