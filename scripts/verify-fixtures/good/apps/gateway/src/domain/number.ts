export function next(value: number): number {
  return value + 1;
}
