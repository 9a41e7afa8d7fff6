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
