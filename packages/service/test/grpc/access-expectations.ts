/**
 * What the protos promise: for each method, how a call ends with each kind of certificate. Kept apart from the edge's own
 * reading of the `access` option, so that the two can disagree.
 */
import { getOption, type DescMethod, type DescService } from '@bufbuild/protobuf';
import * as proto from '@sallyport/proto';
import { SERVICE_NAMES } from '../../src/identity/index.ts';

/** `ok`, a reason, or `tls`: the handshake fails. */
export type Ending = string;
export type AccessTable = Readonly<Record<string, Readonly<Record<string, Ending>>>>;

/** Every service that the protos define. */
export const services: readonly DescService[] = Object.values(proto)
  .flatMap((each) =>
    typeof each === 'object' && !('kind' in each) ? (Object.values(each) as unknown[]) : [],
  )
  .filter(
    (each): each is DescService =>
      typeof each === 'object' && each !== null && 'kind' in each && each.kind === 'service',
  )
  .sort((a, b) => (a.typeName < b.typeName ? -1 : 1));

export const methods: readonly DescMethod[] = services.flatMap((service) => service.methods);

export const nameOf = (method: DescMethod): string => `${method.parent.typeName}/${method.name}`;

/** The channel's server asks for no certificate: the channel authenticates by itself. */
export const isOpen = (method: DescMethod): boolean => method.methodKind === 'bidi_streaming';

const NEVER_TLS = [
  'server usage only',
  'expired',
  'not valid yet',
  'other authority',
  'self-signed',
  'no certificate',
];

export function expectedTable(kinds: readonly string[]): AccessTable {
  return Object.fromEntries(
    methods.map((method) => [
      nameOf(method),
      Object.fromEntries(kinds.map((kind) => [kind, expected(method, kind)])),
    ]),
  );
}

function expected(method: DescMethod, kind: string): Ending {
  const { services: allowed, principalAction, anyone } = getOption(method, proto.access);
  if (isOpen(method)) return anyone ? 'ok' : 'caller_not_allowed';
  if (NEVER_TLS.includes(kind)) return 'tls';
  if (isService(kind)) return anyone || allowed.includes(kind) ? 'ok' : 'caller_not_allowed';
  if (['user', 'workload', 'device'].includes(kind)) {
    return anyone || principalAction !== '' ? 'ok' : 'caller_not_allowed';
  }
  if (kind === 'user denied by policy') {
    return anyone ? 'ok' : principalAction === '' ? 'caller_not_allowed' : 'denied';
  }
  return 'unauthenticated';
}

function isService(kind: string): boolean {
  return (SERVICE_NAMES as readonly string[]).includes(kind);
}

/** `docs/access.md`. */
export function accessDocument(): string {
  const heads = ['Method', ...SERVICE_NAMES, 'principals', 'anyone'];
  const lines = [
    '# Who may call what',
    '',
    'Generated from the `access` option of each method in `packages/proto/proto`; do not edit. A test compares it with the',
    'protos, and another calls every method with every kind of certificate on a real server',
    '(`packages/service/test/grpc/access.test.ts`). What is not granted here is denied.',
    '',
    '- **Services** prove themselves with a certificate that names `spiffe://<trust domain>/svc/<name>`; a tick means that the',
    '  method lists them.',
    '- **Principals** (`user`, `workload`, `device`) may call where an action is named, if policy allows them that action.',
    '  Each such call is recorded, allowed or denied.',
    '- **Anyone** means whoever completes TLS. The channel’s server asks for no certificate, because the channel',
    '  authenticates by itself. Every other server asks for one, so there it means: holders of a certificate of this trust',
    '  domain. Health is open to them without a policy decision, so that probes work while policy-service is down.',
  ];
  for (const service of services) {
    lines.push('', `## ${service.typeName}`, '', row(heads), row(heads.map(() => '---')));
    for (const method of service.methods) {
      const { services: allowed, principalAction, anyone } = getOption(method, proto.access);
      lines.push(
        row([
          `\`${method.name}\``,
          ...SERVICE_NAMES.map((name) => (allowed.includes(name) ? '✓' : '')),
          principalAction === '' ? '' : `\`${principalAction}\``,
          anyone ? '✓' : '',
        ]),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
