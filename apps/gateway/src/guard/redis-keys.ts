/** The keys of a session: all in one slot of a cluster, because of the braces. */

export type SessionKeys = {
  readonly s: string;
  readonly nonces: readonly string[];
  readonly q: string;
  readonly done: readonly string[];
  readonly responses: string;
  readonly order: string;
  readonly record: string;
  /** `s` first. */
  readonly all: readonly string[];
};

/** `sessionId` in hex. */
export function keysOf(sessionId: string): SessionKeys {
  const key = (name: string): string => `{${sessionId}}:${name}`;
  const keys = {
    s: key('s'),
    nonces: [key('n0'), key('n1'), key('n2')],
    q: key('q'),
    done: [key('d0'), key('d1')],
    responses: key('r'),
    order: key('o'),
    record: key('rec'),
  };
  const { s, nonces, q, done, responses, order, record } = keys;
  return { ...keys, all: [s, ...nonces, q, ...done, responses, order, record] };
}
