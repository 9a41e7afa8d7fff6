/**
 * Upper bounds of the stored policy. They keep the bundle small: roles and bindings travel to each gateway and are
 * loaded there in one blocking step, so that bundle size is gateway latency.
 */
export const limits = {
  roles: 500,
  inheritsPerRole: 32,
  permissionsPerRole: 128,
  /** All roles as JSON, built-in ones included: half of what a bundle's `data.json` may be, loaded in about 12 ms. */
  rolesBytes: 512 * 1024,
  inheritanceDepth: 16,
  bindings: 10_000,
  bindingsPerPrincipal: 32,
  descriptionChars: 256,
  instances: 1_000,
} as const;
