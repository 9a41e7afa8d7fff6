/** `sallyport send`: messages through the secure channel, one or a stream of lines. */
import type { Command } from 'commander';
import { UsageError } from '../exit.ts';
import { parseInteger } from '../format.ts';
import { readCredential } from '../send/credential.ts';
import { sendFile } from '../send/file.ts';
import { parseGateways } from '../send/gateways.ts';
import { systemPorts, type SendPorts } from '../send/ports.ts';
import { sendSingle } from '../send/single.ts';
import { openSendTrace } from '../send/trace.ts';
import type { CommandContext, Run } from './context.ts';

type SendOptions = {
  file?: string;
  ndjson?: boolean;
  out?: string;
  inFlight: string;
  batch?: string;
  stopOnError?: boolean;
  contentType: string;
  timeout: string;
  psk?: string;
  certificate?: string;
  key?: string;
  trace?: boolean;
  traceparent?: string;
  as?: string;
  gateway?: string;
};

const MAX_IN_FLIGHT = 1024;
const MAX_BATCH = 256;
const MAX_TIMEOUT_SECONDS = 3600;

export function addSendCommand(program: Command, run: Run, ports: SendPorts = systemPorts): void {
  program
    .command('send')
    .description('Send a message through the secure channel, or a file of them')
    .argument('<destination>', 'a route of the gateway, e.g. echo')
    .argument('[message]', 'JSON, or - for standard input')
    .option('--file <file>', 'send each line of a file of JSON lines (NDJSON)')
    .option('--ndjson', 'with -: each line of standard input is a message')
    .option('--out <file>', 'with --file: write the responses, as JSON lines in the order of completion')
    .option('--in-flight <n>', 'with --file: lines under way at once', '256')
    .option('--batch <n>', 'messages per frame once they queue up, 1 to 256')
    .option('--stop-on-error', 'with --file: stop at the first line that does not succeed')
    .option('--content-type <type>', 'what a message is', 'application/json')
    .option('--timeout <seconds>', 'how long to wait for each answer', '30')
    .option('--as <identity>', 'identity to act as: a certificate of the state folder')
    .option('--psk <name or file>', 'act by a pre-shared key, e.g. batch')
    .option('--certificate <file>', 'act by a certificate of any authority that is believed: PEM, leaf first')
    .option('--key <file>', 'its private key, PEM')
    .option('--trace', 'record what becomes of it as one trace, and print its id')
    .option('--traceparent <context>', 'the same, below a W3C trace context of yours')
    .option('--gateway <addresses>', 'host:port, several with commas (default: all of the running home)')
    .addHelpText(
      'after',
      `
A message is sent at most once: when the connection is lost, lines whose outcome nobody knows are named, not repeated.
Exit code 0: every message succeeded; 1: not so; 2: usage.

Examples:
  sallyport send echo '{"hello":"world"}'
  sallyport send orders --file orders.ndjson --out answers.ndjson
  generate | sallyport send orders - --ndjson --psk batch`,
    )
    .action(
      run((context: CommandContext, options: SendOptions, ...args) => send(context, ports, options, args)),
    );
}

async function send(
  context: CommandContext,
  ports: SendPorts,
  options: SendOptions,
  [destination = '', message]: readonly (string | undefined)[],
): Promise<void> {
  const path = streamPath(options, message);
  if (!/^[\x20-\x7e]{1,255}$/u.test(destination)) {
    throw new UsageError('A destination is 1 to 255 printable ASCII characters.');
  }
  if (!/^[\x21-\x7e][\x20-\x7e]{0,254}$/u.test(options.contentType)) {
    throw new UsageError('--content-type is 1 to 255 printable ASCII characters.');
  }
  if (options.psk !== undefined && options.as !== undefined) {
    throw new UsageError('Give --as or --psk, not both.');
  }
  if ((options.certificate === undefined) !== (options.key === undefined)) {
    throw new UsageError('--certificate and --key go together.');
  }
  if (options.certificate !== undefined && (options.psk ?? options.as) !== undefined) {
    throw new UsageError('Give --certificate, --psk or --as, and one of them only.');
  }
  const timeoutMs = parseInteger(options.timeout, 1, MAX_TIMEOUT_SECONDS, '--timeout') * 1000;
  const inFlight = parseInteger(options.inFlight, 1, MAX_IN_FLIGHT, '--in-flight');
  const batch =
    options.batch === undefined ? undefined : parseInteger(options.batch, 1, MAX_BATCH, '--batch');
  const gateways = options.gateway === undefined ? undefined : parseGateways(options.gateway);
  const credential = await readCredential(context, options);
  const isTraced = options.trace === true || options.traceparent !== undefined;
  await using trace = isTraced ? await openSendTrace(context, destination, options.traceparent) : undefined;
  if (trace !== undefined) context.output.note(`Trace ${trace.traceId}`);
  const choice = { credential, batch, gateways, tracer: trace?.tracer };
  const common = { destination, contentType: options.contentType, timeoutMs };
  if (path === undefined) {
    await sendSingle(context, ports, choice, { ...common, given: message ?? '', traceId: trace?.traceId });
    return;
  }
  await sendFile(context, ports, choice, {
    ...common,
    path,
    inFlight,
    isStoppingOnError: options.stopOnError === true,
    responsePath: options.out,
  });
}

/** Where lines come from, or undefined for a single message. Throws `UsageError` for what does not go together. */
function streamPath(options: SendOptions, message: string | undefined): string | undefined {
  const { file, ndjson } = options;
  if (file !== undefined && message !== undefined && message !== '-') {
    throw new UsageError('Give a message or --file, not both.');
  }
  if (file !== undefined) return file;
  if (message === undefined) {
    throw new UsageError(
      `What is to be sent? Give a message such as '{"hello":"world"}', - for standard input, or --file.`,
    );
  }
  if (ndjson === true) {
    if (message === '-') return '-';
    throw new UsageError('--ndjson reads standard input: give - as the message.');
  }
  if (options.out !== undefined) throw new UsageError('--out goes with --file, or with - --ndjson.');
  if (options.stopOnError === true)
    throw new UsageError('--stop-on-error goes with --file, or with - --ndjson.');
  return undefined;
}
