async function save(): Promise<void> {}

export function floats(): void {
  save();
}

export function misuses(list: string[]): void {
  list.forEach(async () => save());
}

export function guesses(value: any): string {
  console.log(value);
  return String(value);
}

export function forgets(kind: 'a' | 'b'): number {
  switch (kind) {
    case 'a':
      return 1;
  }
  return 0;
}
