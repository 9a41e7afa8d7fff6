/** Requests that each bear a number, and what their sender was told of each: one side of a count. */
import { readFile } from 'node:fs/promises';
import { ChannelError, connect, type Channel, type ConnectOptions } from '@sallyport/client';
import type { Home } from '../../src/state/home.ts';
import { DEVELOPMENT_TRUST_DOMAIN } from '../../src/state/identities.ts';
import { json } from './session.ts';

export type Answer =
  | { readonly kind: 'acknowledged'; readonly session: string; readonly correlation: string }
  /** It did not happen and can be sent again. */
  | { readonly kind: 'without_effect'; readonly code: string }
  /** Nobody can say. */
  | { readonly kind: 'unknown'; readonly code: string };

export type Sent = { readonly destination: Destination; readonly sentAtMs: number; answer?: Answer };
export type Destination = 'orders' | 'ledger' | 'echo';

export type Numbered = {
  /** By the id that each body carries. */
  readonly sent: ReadonlyMap<number, Sent>;
  /** What should not be possible, in words. */
  readonly surprises: string[];
  /** One request under the next number. Never rejects but for a defect of the client. */
  send(channel: Channel, destination: Destination, timeoutMs: number): Promise<Answer>;
};

export function numberedRequests(): Numbered {
  const sent = new Map<number, Sent>();
  const surprises: string[] = [];
  return {
    sent,
    surprises,
    async send(channel, destination, timeoutMs) {
      const id = sent.size + 1;
      const entry: Sent = { destination, sentAtMs: Date.now() };
      sent.set(id, entry);
      try {
        const { correlation, body } = await channel.request(destination, json({ id }), { timeoutMs });
        const text = new TextDecoder().decode(body);
        if (destination === 'echo' && text !== JSON.stringify({ id }))
          surprises.push(`the echo of ${id} is ${text.slice(0, 80)}`);
        return (entry.answer = { kind: 'acknowledged', session: channel.sessionId, correlation });
      } catch (error) {
        if (!(error instanceof ChannelError)) throw error;
        const kind = error.mayHaveTakenEffect ? 'unknown' : 'without_effect';
        return (entry.answer = { kind, code: `${error.kind}/${error.code}` });
      }
    },
  };
}

export type SessionOptions = Pick<
  ConnectOptions,
  'onState' | 'openCarrierForTesting' | 'resume' | 'timeoutMs'
>;

/** A session of a development principal that may go on at any of the gateways. Rejects as `connect` does. */
export async function openAt(
  home: Home,
  principal: string,
  addresses: readonly string[],
  options: SessionOptions = {},
): Promise<Channel> {
  const files = home.identityFiles(principal);
  const [caPem, certPem, key] = await Promise.all([
    readFile(home.caFile, 'utf8'),
    readFile(files.cert, 'utf8'),
    readFile(files.key, 'utf8'),
  ]);
  return connect({
    addresses,
    trust: { caPem, trustDomain: DEVELOPMENT_TRUST_DOMAIN },
    credential: { kind: 'certificate', certPem, key },
    timeoutMs: 10_000,
    ...options,
  });
}
