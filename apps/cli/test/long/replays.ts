/**
 * The attacker on the wire: keeps frames that clients sent and sends them again, in the carrier they came by and in new
 * ones, to any gateway. What comes of it is for the oracle: a record that was admitted twice, an effect that came twice.
 */
import { readFile } from 'node:fs/promises';
import type { Carrier, CarrierEvents } from '@sallyport/client';
import { openGrpcCarrier } from '@sallyport/client/testing';
import type { Home } from '../../src/state/home.ts';
import { DEVELOPMENT_TRUST_DOMAIN } from '../../src/state/identities.ts';

export type Recorder = {
  readonly openCarrier: (events: CarrierEvents, address: string) => Carrier;
  readonly counts: () => { readonly recorded: number; readonly replayed: number };
  /** Sends up to `count` recorded frames again: some where they came from, some by a carrier of their own. */
  replay(count: number): Promise<void>;
};

/** `again`: into the carrier it went by, behind the recorder's back. */
type Recorded = { readonly frame: Uint8Array; readonly again: () => void };

const KEPT = 2_000;
const OWN_CARRIER_MS = 1_500;

export async function createRecorder(
  home: Home,
  addresses: readonly string[],
  between: (low: number, high: number) => number,
): Promise<Recorder> {
  const caPem = await readFile(home.caFile, 'utf8');
  const common = {
    caPem,
    trustDomain: DEVELOPMENT_TRUST_DOMAIN,
    expectedGateway: `spiffe://${DEVELOPMENT_TRUST_DOMAIN}/svc/gateway`,
    timeoutMs: 5_000,
  };
  const frames: Recorded[] = [];
  let recorded = 0;
  let replayed = 0;

  function keep(given: Uint8Array, carrier: Carrier): void {
    recorded += 1;
    const frame = given.slice();
    const entry = { frame, again: () => void carrier.write(frame) };
    // Some from long ago stay: a window forgets, a ledger must not.
    if (frames.length < KEPT) frames.push(entry);
    else frames[between(0, KEPT)] = entry;
  }

  /** Opens, sends, waits a little, closes; a gateway that is away is no finding. */
  async function byOwnCarrier(chosen: readonly Recorded[]): Promise<void> {
    const address = addresses[between(0, addresses.length)] ?? '';
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => carrier.close(), OWN_CARRIER_MS);
      const carrier = openGrpcCarrier(
        { ...common, address },
        {
          onOpen() {
            for (const { frame } of chosen) carrier.write(frame);
            replayed += chosen.length;
          },
          onFrame: () => undefined,
          onDrain: () => undefined,
          onClose() {
            clearTimeout(timer);
            resolve();
          },
        },
      );
    });
  }

  return {
    openCarrier(events, address) {
      const carrier = openGrpcCarrier({ ...common, address }, events);
      return {
        ...carrier,
        write(frame) {
          keep(frame, carrier);
          return carrier.write(frame);
        },
      };
    },
    counts: () => ({ recorded, replayed }),
    async replay(count) {
      const chosen = Array.from({ length: count }, () => frames[between(0, Math.max(1, frames.length))]);
      const present = chosen.filter((entry) => entry !== undefined);
      const elsewhere = present.filter((_, index) => index % 2 === 0);
      for (const { again } of present.filter((_, index) => index % 2 === 1)) {
        again();
        replayed += 1;
      }
      await byOwnCarrier(elsewhere);
    },
  };
}
