/** Clients that keep requests under way whatever happens, and remember what each was told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelError, type Channel } from '@sallyport/client';
import type { Home } from '../../src/state/home.ts';
import { numberedRequests, openAt, type Destination, type Sent } from '../support/numbered.ts';
import type { Recorder } from './replays.ts';

export type { Answer, Destination, Sent } from '../support/numbered.ts';

export type Load = {
  /** By the id that each body carries. */
  readonly sent: ReadonlyMap<number, Sent>;
  /** What should not be possible, in words. */
  readonly surprises: readonly string[];
  readonly sessions: () => { readonly opened: number; readonly resumed: number };
  /** Answers in the last second, about. */
  readonly recentRate: () => number;
  /** No new requests; resolves when those under way have their answer. */
  stop(): Promise<void>;
};

export type LoadOptions = {
  readonly home: Home;
  /** All gateways, in an order drawn for each session. */
  readonly addresses: readonly string[];
  readonly clients: number;
  readonly inFlight: number;
  /** Between an answer and the next request of the same worker. */
  readonly pauseMs: number;
  readonly recorder: Recorder;
  readonly between: (low: number, high: number) => number;
};

const DESTINATIONS: readonly Destination[] = ['orders', 'ledger', 'echo'];
const PRINCIPALS = ['alice', 'admin'];
const REQUEST_TIMEOUT_MS = 40_000;

export function startLoad(options: LoadOptions): Load {
  const { clients, inFlight, pauseMs, recorder, between } = options;
  const numbered = numberedRequests();
  const { sent, surprises } = numbered;
  const answeredAt: number[] = [];
  let opened = 0;
  let resumed = 0;
  let isStopping = false;

  async function open(principal: string): Promise<Channel> {
    const first = between(0, options.addresses.length);
    const addresses = [...options.addresses.slice(first), ...options.addresses.slice(0, first)];
    const channel = await openAt(options.home, principal, addresses, {
      onState: (state) => {
        if (state === 'open') resumed += 1;
      },
      openCarrierForTesting: recorder.openCarrier,
    });
    opened += 1;
    return channel;
  }

  async function sendOne(channel: Channel): Promise<void> {
    const destination = DESTINATIONS[between(0, DESTINATIONS.length)] ?? 'echo';
    await numbered.send(channel, destination, REQUEST_TIMEOUT_MS);
    answeredAt.push(performance.now());
    while ((answeredAt[0] ?? Infinity) < performance.now() - 1_000) answeredAt.shift();
  }

  async function client(principal: string): Promise<void> {
    while (!isStopping) {
      let channel: Channel;
      try {
        channel = await open(principal);
      } catch (error) {
        if (!(error instanceof ChannelError)) throw error;
        await sleep(200);
        continue;
      }
      const worker = async (): Promise<void> => {
        while (!isStopping && channel.closedBy === undefined) {
          await sendOne(channel);
          await sleep(between(0, 2 * pauseMs));
        }
      };
      await Promise.all(Array.from({ length: inFlight }, worker));
      await channel.close();
    }
  }

  const running = Promise.all(
    Array.from({ length: clients }, (_, index) => client(PRINCIPALS[index % PRINCIPALS.length] ?? 'alice')),
  ).catch((error: unknown) => void surprises.push(`a client failed: ${String(error)}`));
  return {
    sent,
    surprises,
    sessions: () => ({ opened, resumed }),
    recentRate: () => answeredAt.filter((at) => at > performance.now() - 1_000).length,
    async stop() {
      isStopping = true;
      await running;
    },
  };
}
