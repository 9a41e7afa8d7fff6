/**
 * Upper bounds of the stored policy. They keep the bundle small: roles and bindings travel to each gateway and are
 * loaded there in one blocking step, so that bundle size is gateway latency.
 */
export const limits = {
  roles: 500,
  inheritsPerRole: 32,
  permissionsPerRole: 128,
  /** Permissions of all roles together. */
  permissions: 10_000,
  inheritanceDepth: 16,
  bindings: 10_000,
  bindingsPerPrincipal: 32,
  descriptionChars: 256,
  instances: 1_000,
} as const;
