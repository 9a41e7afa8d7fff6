// The stamp says which inputs the packages in node_modules were installed from. It lives inside node_modules, so
// removing that folder removes the claim with it, and it is written last, so a broken install leaves none.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The folders of the workspace that hold a package.json, root first, in a fixed order.
 * Reads the `packages:` list of pnpm-workspace.yaml: plain folders and `folder/*`, which is all this workspace uses.
 * @param {string} root the checkout
 * @returns {string[]} paths relative to the root, '' for the root itself
 */
export function workspaceFolders(root) {
  const lines = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8').split('\n');
  const start = lines.findIndex((line) => /^packages:\s*$/.test(line));
  /** @type {string[]} */
  const folders = [];
  for (const line of start === -1 ? [] : lines.slice(start + 1)) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    const pattern = /^\s+-\s+['"]?([^'"\s]+?)(\/\*)?['"]?\s*$/.exec(line);
    if (pattern === null) break;
    const folder = pattern[1] ?? '';
    if (pattern[2] === undefined) folders.push(folder);
    else if (existsSync(join(root, folder)))
      folders.push(...readdirSync(join(root, folder)).map((name) => `${folder}/${name}`));
  }
  return ['', ...folders.filter((folder) => existsSync(join(root, folder, 'package.json'))).sort()];
}

/**
 * @param {string} root the checkout
 * @returns {{ name: string, version: string }} the package manager that package.json pins
 */
export function pinnedPackageManager(root) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [, name, version] = /^(pnpm)@(\d+\.\d+\.\d+)/.exec(packageManager) ?? [];
  if (name === undefined || version === undefined)
    throw new Error('package.json: "packageManager" must read pnpm@<version>');
  return { name, version };
}

/**
 * A digest over everything that decides what an install puts into node_modules.
 * @param {string} root the checkout
 * @param {{ platform?: string, arch?: string }} [machine] for tests
 * @returns {string} lower-case hex, SHA-256
 */
export function stampOf(root, { platform = process.platform, arch = process.arch } = {}) {
  const hash = createHash('sha256');
  const add = (/** @type {string} */ name, /** @type {string | Buffer} */ content) =>
    hash
      .update(`${name} ${Buffer.byteLength(content)}\n`)
      .update(content)
      .update('\n');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  add('machine', `${platform} ${arch} node ${manifest.devDependencies?.node}`);
  const files = [
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    ...workspaceFolders(root).map((folder) => join(folder, 'package.json')),
  ];
  for (const file of files) add(file, readFileSync(join(root, file)));
  return hash.digest('hex');
}

/**
 * Whether every dependency that a package.json declares has its link, and the tools their shims. A few milliseconds;
 * it finds a folder that was deleted or an install that died, not a changed byte inside a package.
 * @param {string} root the checkout
 * @returns {string | undefined} the first path that is missing, relative to the root
 */
export function firstMissing(root) {
  for (const folder of workspaceFolders(root)) {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(root, folder, 'package.json'), 'utf8'),
    );
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      // existsSync follows the link: a link whose target is gone counts as missing.
      const path = join(folder, 'node_modules', name, 'package.json');
      if (!existsSync(join(root, path))) return path;
    }
  }
  return ['node', 'pnpm', 'turbo', 'vitest']
    .map((tool) => join('node_modules', '.bin', tool))
    .find((path) => !existsSync(join(root, path)));
}

const stampFile = (/** @type {string} */ root) => join(root, 'node_modules', '.sallyport-stamp');

/** @param {string} root @returns {string | undefined} the stamp of the last complete install */
export function readStamp(root) {
  try {
    return readFileSync(stampFile(root), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** @param {string} root */
export function removeStamp(root) {
  rmSync(stampFile(root), { force: true });
}

/** Appears whole or not at all. @param {string} root @param {string} stamp */
export function writeStamp(root, stamp) {
  const temporary = `${stampFile(root)}.${process.pid}`;
  writeFileSync(temporary, `${stamp}\n`);
  renameSync(temporary, stampFile(root));
}
