/**
 * The states of a key and what each permits: NIST SP 800-57 part 1 revision 5, section 7.
 *
 * The table is total: every state has an answer to every operation. Where the publication leaves a choice to the
 * operator (processing under a suspended or compromised key, "under controlled circumstances"), this one refuses: the
 * API has no controlled circumstance.
 */

export const KEY_STATES = [
  'pre-active',
  'active',
  'suspended',
  'deactivated',
  'compromised',
  'destroyed',
] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** `protect`: seal, wrap, sign. `process`: open, unwrap, verify, and show the public half. */
export const KEY_USES = ['protect', 'process'] as const;
export type KeyUse = (typeof KEY_USES)[number];

export const TRANSITIONS = ['activate', 'suspend', 'resume', 'deactivate', 'compromise', 'destroy'] as const;
export type Transition = (typeof TRANSITIONS)[number];

interface Row {
  readonly permits: Readonly<Record<KeyUse, boolean>>;
  /** The state that follows; a transition that is not there is refused. */
  readonly next: Readonly<Partial<Record<Transition, KeyState>>>;
}

const LIFECYCLE = {
  // Section 7.1: not yet authorised for anything.
  'pre-active': {
    permits: { protect: false, process: false },
    next: { activate: 'active', compromise: 'compromised', destroy: 'destroyed' },
  },
  // Section 7.2.
  active: {
    permits: { protect: true, process: true },
    next: { suspend: 'suspended', deactivate: 'deactivated', compromise: 'compromised' },
  },
  // Section 7.3: until it is known whether the key can be trusted, nothing relies on it.
  suspended: {
    permits: { protect: false, process: false },
    next: { resume: 'active', deactivate: 'deactivated', compromise: 'compromised', destroy: 'destroyed' },
  },
  // Section 7.4: only what was protected before.
  deactivated: {
    permits: { protect: false, process: true },
    next: { compromise: 'compromised', destroy: 'destroyed' },
  },
  // Section 7.5.
  compromised: { permits: { protect: false, process: false }, next: { destroy: 'destroyed' } },
  // Section 7.6: final.
  destroyed: { permits: { protect: false, process: false }, next: {} },
} as const satisfies Record<KeyState, Row>;

/** Whether a key in this state may be used so. */
export function permits(state: KeyState, use: KeyUse): boolean {
  return LIFECYCLE[state].permits[use];
}

/** The state after a transition, or undefined when it is not allowed from here. */
export function nextState(state: KeyState, transition: Transition): KeyState | undefined {
  const row: Row = LIFECYCLE[state];
  return row.next[transition];
}
