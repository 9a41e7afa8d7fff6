export { guardedServer } from './guarded.ts';
export { guardedMetrics } from './measure.ts';
export { recordUnrouted } from './unrouted.ts';
export { memoryPins, type MemoryPins } from './memory-pins.ts';
export type {
  CallDecision,
  CallOutcome,
  GuardedMetrics,
  GuardedPorts,
  Question,
  RecordedCall,
} from './ports.ts';
