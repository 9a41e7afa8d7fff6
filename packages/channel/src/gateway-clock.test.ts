import { expect, it } from 'vitest';
import { GatewayClock } from './gateway-clock.ts';

it('takes half of the round trip for the way back', () => {
  const clock = new GatewayClock(() => 1_000, 50_000, 900);
  expect(clock.now()).toBe(50_050);
});

it('follows the local clock', () => {
  let local = 1_000;
  const clock = new GatewayClock(() => local, 50_000, 1_000);
  local += 777;
  expect(clock.now()).toBe(50_777);
});

it.each([
  [60_000, 1_000],
  [30_000, 500],
  [0, 0],
])('after %i ms moves by at most %i ms', (waited, most) => {
  for (const sign of [1, -1]) {
    let local = 0;
    const clock = new GatewayClock(() => local, 5e9, 0);
    local += waited;
    clock.adjust(5e9 + waited + sign * 1e9);
    expect(clock.now()).toBe(5e9 + waited + sign * most);
  }
});

it('takes a small correction at once', () => {
  let local = 0;
  const clock = new GatewayClock(() => local, 5e9, 0);
  local += 60_000;
  clock.adjust(5e9 + 60_000 + 3);
  expect(clock.now()).toBe(5e9 + 60_003);
});
