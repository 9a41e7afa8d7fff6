/** Leaves in step with the tree: hands out the leaf of an index and reports what is missing or too many. */
import { leafName } from './check-rows.ts';
import type { Findings } from './findings.ts';
import type { LogLeaf, LogSource } from './types.ts';

const LOST =
  'Rows were deleted from the database. The log still proves that they were there; restore them from an archive or a backup.';
const EXTRA = 'The row was added to the database; the log does not have it there.';

export class LeafCursor implements AsyncDisposable {
  readonly #leaves: AsyncIterator<LogLeaf>;
  #next: LogLeaf | undefined;
  #begun = false;
  /** Leaves below this are reported as missing already. */
  #reportedTo = 0;

  constructor(source: LogSource) {
    this.#leaves = source.leaves(0)[Symbol.asyncIterator]();
  }

  /** The leaf, or undefined when it is missing: reported once for each run of missing leaves. */
  async at(index: number, size: number, findings: Findings): Promise<LogLeaf | undefined> {
    if (!this.#begun) await this.#advance();
    while (this.#next !== undefined && this.#next.index < index) {
      const leaf = this.#next;
      const what = `a leaf of this index again, or out of order, where ${index} should be`;
      findings.add({ kind: 'leaf', where: leafName(leaf), what, next: EXTRA, leafIndex: leaf.index });
      await this.#advance();
    }
    const leaf = this.#next;
    if (leaf?.index === index) {
      await this.#advance();
      return leaf;
    }
    if (index >= this.#reportedTo) {
      this.#reportedTo = Math.min(leaf?.index ?? size, size);
      const last = this.#reportedTo - 1;
      const where = last === index ? `leaf ${index}` : `leaves ${index} to ${last}`;
      findings.add({ kind: 'leaf', where, what: 'missing from the database', next: LOST, leafIndex: index });
    }
    return undefined;
  }

  async countRest(): Promise<number> {
    if (!this.#begun) await this.#advance();
    let count = 0;
    for (; this.#next !== undefined; count++) await this.#advance();
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leaves.return?.();
  }

  async #advance(): Promise<void> {
    this.#begun = true;
    const result = await this.#leaves.next();
    this.#next = result.done === true ? undefined : result.value;
  }
}
