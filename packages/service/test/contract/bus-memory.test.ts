import { memoryBus } from '../../src/bus/index.ts';
import { manualClock } from '../../src/clock/index.ts';
import { busContract } from './bus.ts';

busContract('memory', async (options) => {
  const clock = manualClock();
  return { bus: memoryBus({ clock, ...options }), passTime: async (ms) => clock.advance(ms) };
});
