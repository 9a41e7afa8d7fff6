/** What is wrong with a configuration, all of it at once. */
export interface ConfigProblem {
  /** `sallyport.yaml:12`, `environment SALLYPORT_PORT_BASE` or `command line`. */
  readonly where: string;
  /** Key path, e.g. `gateway.routes[2].url`; empty for the file as a whole. */
  readonly key: string;
  readonly what: string;
  /** What to do about it. */
  readonly hint: string;
}

/** One line per problem: `sallyport.yaml:12: gateway.port: 99999 is above 65535. Use 1 to 65535.` */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map(({ where, key, what, hint }) => `${where}: ${key === '' ? '' : `${key}: `}${what}. ${hint}`)
    .join('\n');
}

/** Thrown by `loadConfig`; a program prints `message` and exits with 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(
      `${problems.length} problem${problems.length === 1 ? '' : 's'} in the configuration\n${formatProblems(problems)}`,
    );
    this.problems = problems;
  }
}
