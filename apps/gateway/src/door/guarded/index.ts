export { guardedServer } from './guarded.ts';
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
