/** What a back-end provides: connections that already act as one service's role. Everything above is shared. */
export interface SqlResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly affectedRows: bigint | undefined;
  /** The command tag, e.g. `INSERT`; `ROLLBACK` in answer to `commit` when the transaction had failed. */
  readonly command: string | undefined;
}

/** Held by one holder at a time. All methods throw `DatabaseError`. */
export interface SqlConnection {
  /** One statement with parameters `$1`, `$2`, …. */
  query(sql: string, parameters: readonly unknown[]): Promise<SqlResult>;
  /** One or more statements without parameters or results, for migrations. */
  script(sql: string): Promise<void>;
}

export interface SqlSource {
  /** For as long as the service's options say, or these limits. */
  acquire(limits?: { readonly holdTimeoutMs: number }): Promise<SqlConnection>;
  /** A transaction left open is rolled back. */
  release(connection: SqlConnection): Promise<void>;
  close(): Promise<void>;
}
