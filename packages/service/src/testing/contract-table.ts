/** Counts the cases that ran for each implementation of a port, so that none passes by running fewer. */

interface Task {
  readonly name: string;
  readonly suite?: Task | undefined;
}

export interface ContractTable {
  /**
   * For `beforeEach` around the contract of one implementation. The title of the contract's outermost `describe` ends in
   * `: label`; below it the titles are the same for all implementations.
   */
  of(label: string): (context: { readonly task: Task }) => void;
  /** Says in the table that an implementation did not run. */
  skipped(label: string, why: string): void;
  /** Cases that some implementation ran and another did not; empty when all is well. For the last test of the file. */
  differences(): readonly string[];
  /** A row for each implementation. */
  print(write?: (text: string) => void): void;
}

/** One for each file that runs a contract on several implementations. */
export function contractTable(port: string): ContractTable {
  const ran = new Map<string, Set<string>>();
  const notRun = new Map<string, string>();
  const rows = (): readonly (readonly [string, string])[] => [
    ...[...ran].map(([label, cases]) => [label, `${cases.size} cases`] as const),
    ...notRun,
  ];
  return {
    of(label) {
      const cases = new Set<string>();
      ran.set(label, cases);
      return ({ task }) => void cases.add(caseName(task, label));
    },
    skipped: (label, why) => void notRun.set(label, `skipped: ${why}`),
    differences() {
      const all = new Set([...ran.values()].flatMap((cases) => [...cases]));
      if (all.size === 0) return ['no case ran'];
      return [...ran].flatMap(([label, cases]) =>
        [...all].filter((name) => !cases.has(name)).map((name) => `${label} did not run: ${name}`),
      );
    },
    print(write = (text) => void process.stdout.write(text)) {
      const width = Math.max(...rows().map(([label]) => label.length));
      const lines = rows().map(([label, what]) => `  ${label.padEnd(width)}  ${what}`);
      write(`contract ${port}\n${lines.join('\n')}\n`);
    },
  };
}

/** Titles below the contract's outermost `describe`, which names the implementation. */
function caseName(task: Task, label: string): string {
  const titles: string[] = [];
  for (let at: Task | undefined = task; at !== undefined && !at.name.endsWith(`: ${label}`); at = at.suite) {
    titles.unshift(at.name);
  }
  return titles.join(' > ');
}
