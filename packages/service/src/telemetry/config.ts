/** Where spans go, as every process is configured (docs/observability.md). */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import description from '../../package.json' with { type: 'json' };
import { systemClock } from '../clock/index.ts';
import {
  checked,
  integer,
  object,
  optional,
  path,
  secretFile,
  url,
  type Complaint,
  type Infer,
} from '../config/index.ts';
import type { Log } from '../log/index.ts';
import { rootProblems } from '../process/files.ts';
import { createTelemetry, type Exporter, type Telemetry } from './telemetry.ts';

const { version } = description;

export const telemetryConfig = checked(
  object({
    /** An OTLP/HTTP collector's trace endpoint; without it no spans leave the process. */
    otlpUrl: optional(url({ env: 'SALLYPORT_OTLP_URL', protocols: ['http', 'https'] })),
    /** PEM of the roots for a collector whose certificate is not the system's. */
    caFile: optional(path()),
    /** A secret: lines of `name: value`, sent with every export, e.g. `authorization: Bearer …`. */
    headersFile: optional(secretFile()),
    /** Of a hundred traces that begin here, how many are recorded. What a client asks for is followed besides. */
    samplePercent: integer({ env: 'SALLYPORT_TRACE_SAMPLE_PERCENT', default: 1, min: 0, max: 100 }),
  }),
  ({ otlpUrl, caFile, headersFile }) => [
    ...(otlpUrl === undefined && (caFile ?? headersFile) !== undefined
      ? [{ key: ['otlpUrl'], what: 'is missing', hint: 'caFile and headersFile are about a collector.' }]
      : []),
    ...(headersFile !== undefined && otlpUrl !== undefined && !otlpUrl.startsWith('https:')
      ? [{ key: ['otlpUrl'], what: 'would carry the headers in clear', hint: 'Use https with headersFile.' }]
      : []),
    ...(caFile === undefined ? [] : rootProblems('caFile', caFile, systemClock().now())),
    ...(headersFile === undefined ? [] : headersProblems(headersFile)),
  ],
);

function headersProblems(file: string): readonly Complaint[] {
  try {
    parseHeaders(readFileSync(file, 'utf8'), file);
    return [];
  } catch (error) {
    const what = error instanceof TypeError ? error.message : 'names a file that cannot be read';
    return [{ key: ['headersFile'], what, hint: 'Write lines of "name: value", readable for this user.' }];
  }
}

export type TelemetryConfig = Infer<typeof telemetryConfig>;

export type OpenTelemetryOptions = {
  readonly service: string;
  readonly config: TelemetryConfig;
  readonly log: Pick<Log, 'warn'>;
};

/** One process, whichever services are in it. */
const instance = randomUUID();
const PERCENT = 100;
/** As `URL` writes them. */
const LOOPBACK = /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/u;

/** The telemetry of a service as it is configured; says when spans leave the machine in clear. Throws what a missing or malformed file throws. */
export async function openTelemetry({ service, config, log }: OpenTelemetryOptions): Promise<Telemetry> {
  const { protocol, hostname } = new URL(config.otlpUrl ?? 'https://none.invalid');
  if (protocol === 'http:' && !LOOPBACK.test(hostname))
    log.warn('spans go to the collector without TLS: principals and destinations can be read on the way', {
      collector: hostname,
    });
  return createTelemetry({
    service,
    instance,
    version,
    exporter: await exporterOf(config),
    sampleRatio: config.samplePercent / PERCENT,
    onExportError: (error, lostSpans) => log.warn('spans could not be delivered', { error, lostSpans }),
  });
}

/** Reads the files. Throws `TypeError` with the file and line of what is no header, and what reading a file throws. */
async function exporterOf(config: Omit<TelemetryConfig, 'samplePercent'>): Promise<Exporter> {
  const { otlpUrl, caFile, headersFile } = config;
  if (otlpUrl === undefined) return { kind: 'none' };
  return {
    kind: 'otlp-http',
    url: otlpUrl,
    ...(caFile === undefined ? {} : { caPem: await readFile(caFile, 'utf8') }),
    ...(headersFile === undefined
      ? {}
      : { headers: parseHeaders(await readFile(headersFile, 'utf8'), headersFile) }),
  };
}

const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/u;

/** Lines of `name: value`; empty ones and those that begin with # are left out. The value is never in a message. */
export function parseHeaders(text: string, file: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/u).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = HEADER.exec(line.trimEnd());
    if (match === null) throw new TypeError(`${file}:${index + 1}: not a header; write "name: value"`);
    headers[(match[1] ?? '').toLowerCase()] = match[2] ?? '';
  }
  return headers;
}
