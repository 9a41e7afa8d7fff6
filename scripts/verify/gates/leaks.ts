import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { outcomeOf, type Gate } from '../gate.ts';
import { run } from '../run.ts';

interface Leak {
  readonly what: string;
  readonly pattern: RegExp;
  /** Files in which it is no leak. */
  readonly allowed?: RegExp;
}

const ALWAYS: readonly Leak[] = [
  {
    what: 'a path of a person or machine',
    pattern: /(?<![\w.@-])\/(?:home|Users)\/[a-z][\w.-]*\/|(?<![\w.-])\/root\//,
  },
  {
    what: 'a registry setting',
    pattern: /^\s*(?:@[\w-]+:)?registry\s*=|\/\/[^\s/]+\/:_(?:authToken|auth)\b/m,
  },
  { what: 'the address of a package archive', pattern: /\btarball: https?:/, allowed: /\.(ts|md)$/ },
  {
    what: 'a private key',
    pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{40}/,
    allowed: /(^|\/)test\/vectors\//,
  },
];

/** Tracked text names no path of this machine, no private registry and holds no private key. */
export const leaks: Gate = {
  name: 'leaks',
  async check({ root, files, bin }) {
    const text = files.filter((file) => !/^scripts\/verify-fixtures\/|\.(wasm|binpb|png)$/.test(file));
    const wanted = [...ALWAYS, ...(await leaksOfThisMachine(root, bin))];
    const problems = text.flatMap((file) => {
      const content = readFileSync(join(root, file), 'utf8');
      return wanted.flatMap(({ what, pattern, allowed }) => {
        const found = allowed?.test(file) === true ? null : pattern.exec(content);
        if (found === null) return [];
        return [`${file}:${content.slice(0, found.index).split('\n').length}: ${what}`];
      });
    });
    return outcomeOf(problems, `${text.length} files`, 'take these out; the tree is public');
  },
  selfTest: {
    expected: [/notes\.md:3: a path/, /\.npmrc:1: a registry setting/, /key\.pem:1: a private key/],
  },
};

const NO_SECRET = new Set(['registry.npmjs.org', 'proxy.golang.org', 'localhost', '127.0.0.1']);

async function leaksOfThisMachine(root: string, bin: string): Promise<Leak[]> {
  const literal = (what: string, value: string): Leak => ({
    what,
    pattern: new RegExp(`(?<![\\w-])${value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`),
  });
  const leaks = [literal('the path of this checkout', root)];
  // Neighbours of the checkout are named by its parent, unless that is a folder every machine has.
  const parent = dirname(root);
  if (!/^\/?$|^\/(tmp|home|root|opt|srv|usr|var|private|mnt)(\/|$)/.test(parent))
    leaks.push({
      ...literal('a path beside this checkout', `${parent}/`),
      pattern: new RegExp(`${parent}/`),
    });
  if (!/^\/(root)?$/.test(homedir())) leaks.push(literal('the home folder', homedir()));
  if (/[-\d]/.test(hostname()) && hostname().length >= 8)
    leaks.push(literal("this machine's name", hostname()));
  for (const host of await registryHosts(bin)) leaks.push(literal('the host of a private registry', host));
  return leaks;
}

/** Hosts that npm and go are set to use here, public and loopback ones left out. */
async function registryHosts(bin: string): Promise<string[]> {
  const answers = await Promise.all([
    run('npm', ['config', 'get', 'registry'], { cwd: bin, bin }).catch(() => undefined),
    run('go', ['env', 'GOPROXY'], { cwd: bin }).catch(() => undefined),
  ]);
  const hosts = answers.flatMap((answer) =>
    [...(answer?.stdout ?? '').matchAll(/https?:\/\/(?:[^@/\s]*@)?([\w.-]+)/g)].map(([, host]) => host ?? ''),
  );
  return [...new Set(hosts)].filter((host) => host !== '' && !NO_SECRET.has(host));
}
