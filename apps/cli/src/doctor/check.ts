/** One line of `doctor`: what was looked at, how it stands, what to do. */

export type Verdict =
  | { readonly level: 'ok'; readonly says: string }
  /** Works, and somebody should know. */
  | { readonly level: 'notice'; readonly says: string; readonly next: string }
  | { readonly level: 'problem'; readonly says: string; readonly next: string }
  /** Could not be looked at, because of a problem above. */
  | { readonly level: 'skipped'; readonly says: string };

export type Check = {
  readonly name: string;
  /** Needs the running system: skipped when that was found not to run. */
  readonly needsRunning: boolean;
  /** A throw is a problem of the check's own subject; its message is shown. */
  readonly run: () => Promise<Verdict>;
};

export type Line = Verdict & { readonly name: string };

export const ok = (says: string): Verdict => ({ level: 'ok', says });
export const notice = (says: string, next: string): Verdict => ({ level: 'notice', says, next });
export const problem = (says: string, next: string): Verdict => ({ level: 'problem', says, next });

/** The name of the check that decides whether the others may ask the running system. */
export const RUNNING = 'running';

/** Runs the checks in order. Never throws. */
export async function runChecks(checks: readonly Check[]): Promise<readonly Line[]> {
  const lines: Line[] = [];
  let isRunning = true;
  for (const { name, needsRunning, run } of checks) {
    if (needsRunning && !isRunning) {
      lines.push({ name, level: 'skipped', says: 'needs the running system' });
      continue;
    }
    const verdict = await run().catch((error: unknown) =>
      problem((error as Error).message, 'Mend what the message names and run doctor again.'),
    );
    if (name === RUNNING && verdict.level === 'problem') isRunning = false;
    lines.push({ ...verdict, name });
  }
  return lines;
}
