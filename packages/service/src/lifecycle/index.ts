export { createLifecycle } from './lifecycle.ts';
export type { Lifecycle, LifecycleOptions, Phase, ResourceOptions, ShutdownProblem } from './lifecycle.ts';
export { createReadiness } from './readiness.ts';
export type {
  CheckResult,
  Readiness,
  ReadinessCheck,
  ReadinessOptions,
  ReadinessReport,
} from './readiness.ts';
export { serialised } from './serialised.ts';
export { tellEvents } from './tell-events.ts';
export type { Outbox, TellEvents, TellEventsPorts } from './tell-events.ts';
export { startUpkeep } from './upkeep.ts';
export type { UpkeepTask } from './upkeep.ts';
