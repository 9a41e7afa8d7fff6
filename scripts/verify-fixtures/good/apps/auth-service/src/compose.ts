export function compose(): number {
  return 0;
}
