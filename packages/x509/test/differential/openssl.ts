/** What `openssl verify` says of a case. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { OID, toPem } from '../support/pki.ts';
import type { Case, Question } from './case.ts';
import type { Role } from './draft.ts';

/** X509_V_ERR_… by number, and the place in the path that it is about: 0 = leaf. */
export interface TheirError {
  readonly number: number;
  readonly depth: number;
}

export interface TheirVerdict {
  readonly valid: boolean;
  /** Each once; number 0 when a file could not be loaded. */
  readonly errors: readonly TheirError[];
  readonly output: string;
}

/** None takes long; a process that is stopped for a while is not the peer's fault. */
const TIMEOUT_MS = 120_000;

const PURPOSES = { client: ['-purpose', 'sslclient'], server: ['-purpose', 'sslserver'], any: [] } as const;
const NAMES = { dns: '-verify_hostname', ip: '-verify_ip', email: '-verify_email' } as const;

/** The question as options; README.md says why these. */
export function optionsOf({
  at,
  purpose,
  name,
  policies,
  maxIntermediates,
  revocation,
  strict,
}: Question): string[] {
  return [
    ...['-attime', String(Math.floor(at.getTime() / 1_000)), '-auth_level', '2', '-policy_check'],
    ...(strict ? ['-x509_strict'] : []),
    ...PURPOSES[purpose],
    ...(name === undefined || name.kind === 'uri' ? [] : [NAMES[name.kind], name.value]),
    // Without any, its user-initial-policy-set is empty and not any-policy (RFC 5280 section 6.1.1 (c)).
    ...(policies.initial ?? [OID.anyPolicy]).flatMap((oid) => ['-policy', oid]),
    ...(policies.requireExplicit === true ? ['-explicit_policy'] : []),
    ...(policies.inhibitAny === true ? ['-inhibit_any'] : []),
    ...(policies.inhibitMapping === true ? ['-inhibit_map'] : []),
    ...(maxIntermediates === undefined ? [] : ['-verify_depth', String(maxIntermediates)]),
    ...(revocation ? ['-crl_check_all', '-extended_crl', '-use_deltas'] : []),
  ];
}

export interface Peer extends Disposable {
  judge(input: Case): Promise<TheirVerdict>;
}

/** Runs in a folder of its own, one case at a time. */
export function openPeer(): Peer {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-differential-'));
  return {
    async judge(input) {
      const args = ['verify', ...optionsOf(input.question), ...writeFiles(input, folder)];
      const { failed, output } = await run(args, folder);
      const found = new Map<string, TheirError>();
      for (const [line, number, depth] of output.matchAll(/^error (\d+) at (\d+) depth/gmu))
        found.set(line, { number: Number(number), depth: Number(depth) });
      if (/^Error loading file|^Could not read/mu.test(output)) found.set('', { number: 0, depth: 0 });
      return { valid: !failed && /: OK$/mu.test(output), errors: [...found.values()], output };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** As PEM; returns the options that name them. */
export function writeFiles({ certificates, crls }: Case, folder: string): string[] {
  const write = (file: string, ders: readonly Uint8Array[], label?: string): void =>
    writeFileSync(join(folder, file), ders.map((der) => toPem(der, label)).join(''));
  const of = (...roles: Role[]): Uint8Array[] =>
    certificates.flatMap(({ role, der }) => (roles.includes(role) ? [der] : []));
  const untrusted = of('intermediate', 'signer');
  write('anchors.pem', of('anchor'));
  write('leaf.pem', of('leaf'));
  if (untrusted.length > 0) write('untrusted.pem', untrusted);
  if (crls.length > 0) write('crls.pem', crls, 'X509 CRL');
  return [
    ...['-CAfile', 'anchors.pem', '-no-CApath', '-no-CAstore'],
    ...(untrusted.length > 0 ? ['-untrusted', 'untrusted.pem'] : []),
    ...(crls.length > 0 ? ['-CRLfile', 'crls.pem'] : []),
    'leaf.pem',
  ];
}

function run(args: readonly string[], cwd: string): Promise<{ failed: boolean; output: string }> {
  // Without a configuration: a distribution's own may change what is secure enough.
  const env = { ...process.env, OPENSSL_CONF: devNull, LC_ALL: 'C' };
  return new Promise((resolve, reject) => {
    execFile('openssl', args, { cwd, env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(new Error('openssl', { cause: error }));
      else resolve({ failed: error !== null, output: stdout + stderr });
    });
  });
}
