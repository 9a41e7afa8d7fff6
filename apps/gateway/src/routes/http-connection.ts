/** Connections of an HTTP route: where they may go, whom they trust, and which failures happened before anything was sent. */
import { lookup as resolve, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import type { Egress } from './egress.ts';

export type Connection = {
  readonly connect: buildConnector.connector;
  /** True for an error with which connecting ended: the request did not leave. */
  isUnsent(error: unknown): boolean;
};

/** Refused by the route's allow-list. */
export class EgressRefused extends Error {}

export type ConnectionOptions = {
  readonly egress: Egress;
  readonly timeoutMs: number;
  /** Private trust roots, in place of the public ones. */
  readonly caPem?: string;
  readonly certPem?: string;
  readonly keyPem?: string;
};

export function guardedConnection({
  egress,
  timeoutMs,
  caPem,
  certPem,
  keyPem,
}: ConnectionOptions): Connection {
  const unsent = new WeakSet<Error>();
  const connectWith = buildConnector({
    // One request at a time and no hidden repetition: HTTP/2 lets a server ask for it (RFC 9113 section 8.7).
    allowH2: false,
    timeout: timeoutMs,
    lookup: guardedLookup(egress),
    ...(caPem === undefined ? {} : { ca: caPem }),
    ...(certPem === undefined || keyPem === undefined ? {} : { cert: certPem, key: keyPem }),
  });

  return {
    isUnsent: (error) => error instanceof Error && unsent.has(error),
    connect(options, callback) {
      const fail = (error: Error): void => {
        unsent.add(error);
        callback(error, null);
      };
      const { hostname } = options;
      // What is an address already is not looked up.
      if (isIP(hostname) !== 0 && !egress.permits(hostname, hostname)) return fail(refused(hostname));
      connectWith(options, (error, socket) => {
        if (error !== null) return fail(error);
        // Whatever way led here: what counts is where it ended.
        const { remoteAddress = '' } = socket;
        if (egress.permits(hostname, remoteAddress)) return callback(null, socket);
        socket.destroy();
        fail(refused(hostname));
      });
    },
  };
}

/** Leaves out the addresses that are not permitted; fails when none is left. */
function guardedLookup(egress: Egress): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, '', 0);
      const permitted = found.filter(({ address }) => egress.permits(hostname, address));
      const [first] = permitted;
      if (first === undefined) return callback(refused(hostname), '', 0);
      if (options.all === true) callback(null, permitted);
      else callback(null, first.address, first.family);
    });
  };
}

function refused(hostname: string): EgressRefused {
  return new EgressRefused(`${hostname} has no address that this route may connect to`);
}
