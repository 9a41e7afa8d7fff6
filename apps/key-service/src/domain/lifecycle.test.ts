import { describe, expect, it } from 'vitest';
import { KEY_STATES, KEY_USES, TRANSITIONS, nextState, permits, type KeyState } from './lifecycle.ts';

// NIST SP 800-57 part 1 revision 5, section 7, written out once more and independently of the code.
// Columns: protect, process, activate, suspend, resume, deactivate, compromise, destroy.
const TABLE = `
  pre-active  | no  | no  | active | -         | -      | -           | compromised | destroyed
  active      | yes | yes | -      | suspended | -      | deactivated | compromised | -
  suspended   | no  | no  | -      | -         | active | deactivated | compromised | destroyed
  deactivated | no  | yes | -      | -         | -      | -           | compromised | destroyed
  compromised | no  | no  | -      | -         | -      | -           | -           | destroyed
  destroyed   | no  | no  | -      | -         | -      | -           | -           | -
`;

const rows = TABLE.trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()));

const uses = rows.flatMap(([state, ...cells]) =>
  KEY_USES.map((use, index) => ({ state: state as KeyState, use, allowed: cells[index] === 'yes' })),
);
const moves = rows.flatMap(([state, ...cells]) =>
  TRANSITIONS.map((transition, index) => {
    const cell = cells[KEY_USES.length + index];
    return { state: state as KeyState, transition, next: cell === '-' ? undefined : cell };
  }),
);

describe('NIST SP 800-57 section 7', () => {
  it('has a row for every state', () => {
    expect(rows.map(([state]) => state)).toEqual([...KEY_STATES]);
  });

  it.each(uses)('$state, $use: $allowed', ({ state, use, allowed }) => {
    expect(permits(state, use)).toBe(allowed);
  });

  it.each(moves)('$state, $transition: $next', ({ state, transition, next }) => {
    expect(nextState(state, transition)).toBe(next);
  });

  it('never leaves destroyed, and reaches it from everywhere', () => {
    for (const start of KEY_STATES) {
      const reached = new Set<KeyState>([start]);
      for (const state of reached) {
        for (const transition of TRANSITIONS) {
          const next = nextState(state, transition);
          if (next !== undefined) reached.add(next);
        }
      }
      expect(reached.has('destroyed')).toBe(true);
      if (start === 'destroyed') expect(reached.size).toBe(1);
    }
  });
});
