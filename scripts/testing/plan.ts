/** Turns the words after `npm test --` into packages to run and arguments for vitest. */

/** A folder of the workspace with a package.json. */
export interface WorkspacePackage {
  readonly name: string;
  /** Relative to the root, with `/`. */
  readonly folder: string;
  /** Number of `*.test.ts` files found on disk, ignored and generated folders left out. */
  readonly testFiles: number;
}

export interface TestPlan {
  /** What to run, in the order of the workspace. */
  readonly packages: readonly WorkspacePackage[];
  /** Passed on to vitest as they are. */
  readonly vitestArguments: readonly string[];
  /** Whether vitest was told to leave tests out, so that a package may rightly report none. */
  readonly filtered: boolean;
}

/**
 * A word that is a package's name or folder, whole or last part (`crypto`, `packages/crypto`, `@sallyport/crypto`),
 * chooses the package; every word from the first that does not is vitest's. No word that chooses: all packages.
 */
export function planTests(words: readonly string[], workspace: readonly WorkspacePackage[]): TestPlan {
  const split = words.findIndex((word) => !workspace.some((item) => isNamed(item, word)));
  const chosen = split === -1 ? words : words.slice(0, split);
  const vitestArguments = split === -1 ? [] : words.slice(split);
  const candidates =
    chosen.length === 0 ? workspace : workspace.filter((item) => chosen.some((word) => isNamed(item, word)));
  return {
    packages: candidates.filter((item) => item.testFiles > 0),
    vitestArguments,
    filtered: vitestArguments.length > 0,
  };
}

function isNamed(item: WorkspacePackage, word: string): boolean {
  const plain = word.replace(/\/$/, '');
  const names = [item.name, item.folder, item.folder.split('/').pop()];
  return names.includes(plain);
}
