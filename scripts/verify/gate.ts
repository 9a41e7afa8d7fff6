/** What a gate of `pnpm verify` is. A gate reads a tree and says whether it is good; it changes nothing in it. */

/** The tree to judge. The self-test passes made-up ones, so a gate takes every path from here. */
export interface Tree {
  /** Absolute path of the checkout. */
  readonly root: string;
  /** Tracked files and untracked ones that git does not ignore; relative, sorted, deleted ones left out. */
  readonly files: readonly string[];
  /** The tools' folder, `node_modules/.bin` of the checkout that verify itself runs in. */
  readonly bin: string;
}

export interface Outcome {
  readonly ok: boolean;
  /** One line: what was read when it is good, what is wrong and what to do when it is not. */
  readonly summary: string;
  /** What the tool printed, shown when the gate fails. */
  readonly output?: string;
}

export interface Gate {
  /** Also the name of its folder in scripts/verify-fixtures/. */
  readonly name: string;
  readonly check: (tree: Tree) => Promise<Outcome>;
  readonly selfTest: SelfTest;
}

/** How the gate is shown to work: it passes on the good tree and fails on it with the fixture laid over. */
export interface SelfTest {
  /** Each must be in what the gate says about the bad tree, so that it fails for its own reason. */
  readonly expected: readonly RegExp[];
  /** Files and folders of this checkout that the good tree needs for this gate. */
  readonly needs?: readonly string[];
  /** Whether the fixture is laid over after the good tree was committed, and stays uncommitted. */
  readonly uncommitted?: boolean;
}

/** An outcome from a list of complaints, one line each. */
export function outcomeOf(problems: readonly string[], good: string, advice: string): Outcome {
  if (problems.length === 0) return { ok: true, summary: good };
  return { ok: false, summary: `${problems.length} problems: ${advice}`, output: problems.join('\n') };
}
