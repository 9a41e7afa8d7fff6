export { guardedServer } from './guarded.ts';
export { guardedMetrics } from './measure.ts';
export { memoryPins, type MemoryPins } from './memory-pins.ts';
export type {
  CallDecision,
  CallOutcome,
  CallRecords,
  GuardedMetrics,
  GuardedPorts,
  Pins,
  PinVerdict,
  Question,
  RecordedCall,
  SeenTool,
} from './ports.ts';
