/** The cluster of long runs. */
import { createWorld as createGiven, type World } from '../support/given-servers.ts';

export type { World } from '../support/given-servers.ts';

/** A bundle older than this must decide nothing. Short, so that a run of minutes can break it. */
export const POLICY_MAX_AGE_MS = 10_000;

export const createWorld = (replicas: string): Promise<World> =>
  createGiven({ replicas, policyMaxAgeMs: POLICY_MAX_AGE_MS });
