export const stale = true;
