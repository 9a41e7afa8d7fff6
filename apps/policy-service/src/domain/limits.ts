/**
 * Upper bounds of the stored policy. They keep the bundle small: roles and bindings travel to each gateway and are
 * loaded there in one blocking step, so that bundle size is gateway latency.
 */
export const limits = {
  roles: 500,
  inheritsPerRole: 32,
  permissionsPerRole: 128,
  conditionsPerPermission: 16,
  /** Different arguments that all roles together look at: a value of each is part of every question about a call. */
  argumentPaths: 64,
  /** One role as JSON in UTF-8: its audit event holds it twice. */
  roleBytes: 96 * 1024,
  /** All roles as JSON, built-in ones included: half of what a bundle's `data.json` may be, loaded in about 12 ms. */
  rolesBytes: 512 * 1024,
  inheritanceDepth: 16,
  bindings: 10_000,
  bindingsPerPrincipal: 32,
  descriptionChars: 256,
  instances: 1_000,
  tools: 10_000,
  /** So that one server that makes up tools leaves room for the others. */
  toolsPerRoute: 2_000,
  observedTools: 100,
} as const;
