/** `sallyport certs show|verify`. Works with no service and no state folder. */
import { Option, type Command } from 'commander';
import { PROFILE_NAMES } from '../certs/case.ts';
import { showFiles } from '../certs/show.ts';
import { verifyCertificate } from '../certs/verify.ts';
import type { CommandContext, Run } from './context.ts';

const BATCH_HELP = `
A line of --batch is one JSON object, and so is its answer, in order:
  {"id", "anchors": [PEM], "intermediates": [PEM], "leaf": PEM, "time": RFC 3339,
   "purpose"?, "eku"?: [OID], "names"?: [{"kind": "dns"|"ip"|"email"|"uri", "value"}],
   "crls"?: [PEM or base64], "ocsp"?: [base64], "revocation"?: "none"|"crl"|"ocsp"|"either"|"both",
   "policies"?: {"initial", "requireExplicit", "inhibitMapping", "inhibitAny"}, "maxDepth"?, "profile"?,
   "expected"?, "comment"?: not read}
  {"id", "valid", "reason"?, "section"?, "detail"?, "path"?: [subject]}
A case that takes more than a second is answered with the reason "limit".

Exit codes: 0 valid (--batch: every line was answered), 1 not valid, 2 wrong command line or unreadable file.
`;

export function addCertsCommands(program: Command, run: Run): void {
  const certs = program
    .command('certs')
    .description('Certificates, CRLs and OCSP answers in files; asks no service');
  certs
    .command('show')
    .description('Say what is in files of certificates, CRLs and OCSP answers, PEM or DER')
    .argument('<files...>', 'what to read')
    .option('--entries <n>', 'revoked certificates of a CRL to list', '20')
    .action((...args: unknown[]) => {
      // Commander gives a list for a variadic argument, where `run` has texts.
      const [files] = args as [string[]];
      return run((context: CommandContext, options: { entries?: string }) =>
        showFiles(context, options, files),
      )(...args);
    });
  certs
    .command('verify')
    .description('Validate a certificate up to an anchor, RFC 5280 section 6, offline')
    .option('--anchors <file>', 'certificates that are trusted (may be given more than once)', collect)
    .option('--intermediates <file>', 'certificates to build a path with (more than once)', collect)
    .option('--leaf <file>', 'the certificate in question; more of them in the file are intermediates')
    .option('--time <time>', 'when it must be valid, e.g. 2026-01-31T12:00:00Z (default: now)')
    .addOption(
      new Option('--purpose <purpose>', 'what it is for (default: by profile)').choices([
        'client',
        'server',
        'any',
      ]),
    )
    .option('--eku <oid>', 'extended key usage that the path must allow (more than once)', collect)
    .option(
      '--name <name>',
      'name it must have: a.example, 192.0.2.1, a@b.example, uri://… or kind:name (more than once)',
      collect,
    )
    .option('--crl <file>', 'CRLs to check revocation with (more than once)', collect)
    .option('--ocsp <file>', 'OCSP answers to check revocation with (more than once)', collect)
    .addOption(
      new Option('--revocation <mode>', 'which evidence is needed (default: by what is given)').choices([
        'none',
        'crl',
        'ocsp',
        'either',
        'both',
      ]),
    )
    .option('--soft', 'accept where revocation could not be found out')
    .option('--policy <oid>', 'acceptable certificate policy (more than once; default: any)', collect)
    .option('--require-explicit-policy', 'an acceptable policy must be in the path')
    .option('--inhibit-policy-mapping', 'policies are not mapped')
    .option('--inhibit-any-policy', 'anyPolicy stands for none')
    .option('--max-depth <n>', 'most certificates between leaf and anchor')
    .addOption(
      new Option('--profile <name>', 'rules beyond RFC 5280 section 6 (default: rfc5280)').choices(
        PROFILE_NAMES,
      ),
    )
    .option('--batch <file>', 'one case per line instead; - is standard input')
    .addHelpText('after', BATCH_HELP)
    .action(run(verifyCertificate));
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
