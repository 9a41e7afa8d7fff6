export function now(): number {
  return Date.now() + Math.random();
}
