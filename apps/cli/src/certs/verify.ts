/** `certs verify`: one question from files, or a batch of them. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import {
  createCache,
  type ExpectedName,
  type ProfileName,
  type Purpose,
  type RevocationMode,
} from '@sallyport/x509';
import type { CommandContext } from '../commands/context.ts';
import { CommandFailed, UsageError } from '../exit.ts';
import { parseInteger } from '../format.ts';
import { runBatch } from './batch.ts';
import { isOid, parseInstant } from './case.ts';
import { answer, type Question } from './question.ts';
import { answerJson, answerText } from './answer-text.ts';

export type VerifyOptions = {
  readonly anchors?: readonly string[];
  readonly intermediates?: readonly string[];
  readonly leaf?: string;
  readonly time?: string;
  readonly purpose?: Purpose;
  readonly eku?: readonly string[];
  readonly name?: readonly string[];
  readonly crl?: readonly string[];
  readonly ocsp?: readonly string[];
  readonly revocation?: RevocationMode;
  readonly soft?: boolean;
  readonly policy?: readonly string[];
  readonly requireExplicitPolicy?: boolean;
  readonly inhibitPolicyMapping?: boolean;
  readonly inhibitAnyPolicy?: boolean;
  readonly maxDepth?: string;
  readonly profile?: ProfileName;
  readonly batch?: string;
};

/** Throws `CommandFailed` when the certificate is not valid, `UsageError` when the question cannot be asked. */
export async function verifyCertificate(context: CommandContext, options: VerifyOptions): Promise<void> {
  if (options.batch !== undefined) return verifyBatch(context, options, options.batch);
  const question = await questionOf(options);
  const answered = answer(question, createCache());
  context.output.result(answerJson(answered, question), answerText(answered, question));
  if (!answered.result.valid) {
    const { reason } = answered.result.failure;
    throw new CommandFailed(`Not valid: ${reason}.`, { reason });
  }
}

async function verifyBatch(context: CommandContext, options: VerifyOptions, path: string): Promise<void> {
  const others = Object.keys(options).filter((name) => !['batch', 'json', 'home', 'portBase'].includes(name));
  if (others.length > 0)
    throw new UsageError('--batch takes everything from its lines: give no other option but --json with it.');
  const { output, signal } = context;
  const source = path === '-' ? (context.openInput?.() ?? Readable.from([])) : await openFile(path);
  signal.addEventListener('abort', () => source.destroy(new CommandFailed('Interrupted.')), { once: true });
  const { cases, valid } = await runBatch({
    source,
    async write(line) {
      output.bytes(Buffer.from(line));
      await output.drained();
    },
  });
  output.note(`${cases} case${cases === 1 ? '' : 's'}: ${valid} valid, ${cases - valid} not.`);
}

async function openFile(path: string): Promise<ReturnType<typeof createReadStream>> {
  const found = await stat(path).catch((error: unknown) => {
    throw new UsageError(`Cannot read ${path}: ${(error as Error).message}`);
  });
  if (found.isDirectory()) throw new UsageError(`${path} is a folder; --batch wants a file of JSON lines.`);
  return createReadStream(path);
}

async function questionOf(options: VerifyOptions): Promise<Question> {
  const { anchors, leaf, purpose, revocation } = options;
  if (anchors === undefined || leaf === undefined)
    throw new UsageError(
      'Give --anchors and --leaf, or --batch. `sallyport certs verify --help` lists the rest.',
    );
  return {
    anchors: await readAll(anchors),
    intermediates: await readAll(options.intermediates),
    leaf: await readSourceFile(leaf),
    at: timeOf(options.time),
    profile: options.profile ?? 'rfc5280',
    crls: await readAll(options.crl),
    ocsp: await readAll(options.ocsp),
    policies: {
      ...(options.policy === undefined ? {} : { initial: oidsOf(options.policy, '--policy') }),
      requireExplicit: options.requireExplicitPolicy === true,
      inhibitMapping: options.inhibitPolicyMapping === true,
      inhibitAny: options.inhibitAnyPolicy === true,
    },
    onUnknown: options.soft === true ? 'soft' : 'hard',
    names: (options.name ?? []).map(expectedName),
    extendedKeyUsage: oidsOf(options.eku ?? [], '--eku'),
    ...(options.time === undefined ? {} : { clockSkewMs: 0 }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(revocation === undefined ? {} : { revocation }),
    ...(options.maxDepth === undefined
      ? {}
      : { maxIntermediates: parseInteger(options.maxDepth, 0, 1_000, '--max-depth') }),
  };
}

const readAll = (paths: readonly string[] = []): Promise<Uint8Array[]> =>
  Promise.all(paths.map(readSourceFile));

/** Throws `UsageError` when there is no such file to read. */
export async function readSourceFile(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw new UsageError(`Cannot read ${path}: ${(error as Error).message}`);
  });
}

function timeOf(text: string | undefined): Date {
  if (text === undefined) return new Date();
  const instant = parseInstant(text);
  if (instant !== undefined) return instant;
  throw new UsageError(`--time is "${text}"; it must be a time such as 2026-01-31T12:00:00Z.`);
}

function oidsOf(values: readonly string[], option: string): readonly string[] {
  const foreign = values.find((value) => !isOid(value));
  if (foreign === undefined) return values;
  throw new UsageError(`${option} is "${foreign}"; it must be an OID such as 1.3.6.1.5.5.7.3.1.`);
}

/** The kind may be said, `dns:…`, `ip:…`, `email:…`, `uri:…`; otherwise it is seen from the name. */
export function expectedName(text: string): ExpectedName {
  const said = /^(dns|ip|email|uri):(?!\/\/)(.+)$/u.exec(text);
  const [, kind, value] = said ?? [];
  if (kind !== undefined && value !== undefined && isIP(text) === 0)
    return { kind: kind as ExpectedName['kind'], value };
  if (isIP(text) !== 0) return { kind: 'ip', value: text };
  if (text.includes('://')) return { kind: 'uri', value: text };
  return { kind: text.includes('@') ? 'email' : 'dns', value: text };
}
