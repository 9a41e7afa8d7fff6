/** The command line of every service: small enough to be the same for all. */
import { parseArgs } from 'node:util';

export type Invocation =
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly problem: string }
  | { readonly kind: 'run' | 'check'; readonly file: string | undefined; readonly json: boolean };

/** Total: whatever it is given is one of the above. */
export function parseInvocation(args: readonly string[]): Invocation {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string' },
        'check-config': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
      strict: true,
      allowPositionals: false,
    });
    if (values.help === true) return { kind: 'help' };
    return {
      kind: values['check-config'] === true ? 'check' : 'run',
      file: values.config,
      json: values.json === true,
    };
  } catch (error) {
    return { kind: 'usage', problem: (error as Error).message };
  }
}

export function helpText(name: string, summary: string, keys: string): string {
  return `${name}: ${summary}

Usage: npx node apps/${name}/src/main.ts --config <file> [--check-config [--json]]

  --config <file>   YAML; without it the environment alone (SALLYPORT_…)
  --check-config    check the configuration and every file that it names, connect to nothing, and leave
  --json            with --check-config: the result as JSON
  --help            this

The configuration is ${keys}.
What is what: apps/${name}/README.md. Exit codes: 0 ended as asked, 1 failed, 2 configuration or usage.
`;
}
