// Imports flow one way: main → compose → {rpc, http, store, clients} → app → domain, apps → packages, and between the
// packages only along `mayImport`. `pnpm verify` fails when fewer files were read than exist.

/** What the sources of each package may import of the others. Its tests may import more. */
const mayImport = {
  crypto: [],
  proto: [],
  channel: ['crypto'],
  'audit-log': ['crypto'],
  'model-context': [],
  'policy-engine': ['crypto'],
  client: ['channel', 'crypto', 'model-context', 'proto'],
  service: ['audit-log', 'crypto', 'proto', 'x509'],
  x509: [],
};

const tests = String.raw`\.test\.ts$|/test/|\.config\.ts$`;
const wireAndStorage =
  '^packages/proto/|/node_modules/(@bufbuild/protobuf|@grpc/grpc-js|@electric-sql|@nats-io|kysely|pg|redis|undici)/|^packages/service/src/(grpc|database|postgres|bus|nats|local-servers)/';

/** @type {import('dependency-cruiser').IForbiddenRuleType[]} */
const packageRules = Object.entries(mayImport).map(([name, allowed]) => ({
  name: `package-${name}`,
  comment: `packages/${name} may import ${allowed.length === 0 ? 'no other package' : `only ${allowed.join(', ')}`}.`,
  severity: 'error',
  from: { path: `^packages/${name}/`, pathNot: tests },
  to: {
    path: '^(packages|apps|policies|bench|scripts)/',
    pathNot: `^packages/(${[name, ...allowed].join('|')})/`,
  },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'No cycles, type-only ones included: take the shared part into a file of its own.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'not-to-unresolvable',
      comment: 'The import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-app-to-app',
      comment:
        'Services meet in packages/proto only. The exceptions are apps/cli/src/up.ts, config.ts, model-context.ts.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: String.raw`^apps/cli/src/(?:up|config|model-context)\.ts$` },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'config-to-declarations-only',
      comment:
        'One file describes a whole deployment: what a route or a server is, and what the guard needs of Redis, the gateway says; whose metadata documents are fetched and whose certificates are believed, auth-service.',
      severity: 'error',
      from: { path: String.raw`^apps/cli/src/(?:config|model-context)\.ts$` },
      to: {
        path: '^apps/(?!cli/)',
        pathNot: String.raw`^apps/(?:gateway/src/(?:bounds|routes/schema|door/upstream/schema|guard/redis-acl)|auth-service/src/(?:certificates-config|oauth/metadata-documents))\.ts$`,
      },
    },
    {
      name: 'up-to-compose-only',
      comment: "sallyport up takes a service's compose.ts and nothing else of it.",
      severity: 'error',
      from: { path: String.raw`^apps/cli/src/up\.ts$` },
      to: { path: '^apps/(?!cli/)', pathNot: String.raw`^apps/[^/]+/src/compose\.ts$` },
    },
    {
      name: 'no-package-to-app',
      comment: 'Packages are below apps.',
      severity: 'error',
      from: { path: '^(packages|policies)/' },
      to: { path: '^apps/' },
    },
    ...packageRules,
    {
      name: 'no-relative-across-packages',
      comment: 'Another package is imported by its name, so that its exports map decides what is public.',
      severity: 'error',
      from: { path: '^((?:apps|packages)/[^/]+|policies|bench|scripts)/' },
      to: { path: '^(apps|packages|policies|bench|scripts)/', pathNot: '^$1/', dependencyTypes: ['local'] },
    },
    {
      name: 'domain-is-pure',
      comment: 'domain/ imports domain/ and packages that do no I/O.',
      severity: 'error',
      from: { path: '^(apps/[^/]+/src)/domain/', pathNot: tests },
      to: { path: '^apps/[^/]+/src/', pathNot: '^$1/domain/' },
    },
    {
      name: 'app-knows-domain-only',
      comment: 'app/ imports app/ and domain/; what it needs of the outside is a port in app/ports.ts.',
      severity: 'error',
      from: { path: '^(apps/[^/]+/src)/app/', pathNot: tests },
      to: { path: '^apps/[^/]+/src/', pathNot: '^$1/(app|domain)/' },
    },
    {
      name: 'app-and-domain-know-no-wire',
      comment: 'app/ and domain/ know no protobuf, HTTP, SQL or broker: convert in rpc/, store/ or clients/.',
      severity: 'error',
      from: { path: '^apps/[^/]+/src/(app|domain)/', pathNot: tests },
      to: { path: wireAndStorage },
    },
    {
      name: 'store-knows-no-proto',
      comment: 'Proto types stop at rpc/ and clients/.',
      severity: 'error',
      from: { path: '^apps/[^/]+/src/store/', pathNot: tests },
      to: { path: '^packages/proto/|/node_modules/@bufbuild/protobuf/' },
    },
    {
      name: 'adapters-do-not-meet',
      comment:
        'rpc/, http/, store/, clients/, guard/ and routes/ meet in compose.ts, through the ports of app/.',
      severity: 'error',
      from: { path: '^(apps/[^/]+/src)/(rpc|http|store|clients|guard|routes)/', pathNot: tests },
      to: { path: '^apps/[^/]+/src/(rpc|http|store|clients|guard|routes)/', pathNot: '^$1/$2/' },
    },
    {
      name: 'nobody-imports-main',
      comment: 'main.ts is where the process starts.',
      severity: 'error',
      from: {},
      to: { path: String.raw`^apps/[^/]+/src/main\.ts$`, pathNot: String.raw`^apps/cli/src/main\.ts$` },
    },
    {
      name: 'compose-is-the-top',
      comment: 'Only main.ts, tests and sallyport up compose a service.',
      severity: 'error',
      from: { path: '^apps/[^/]+/src/', pathNot: String.raw`${tests}|/main\.ts$|^apps/cli/src/up\.ts$` },
      to: { path: String.raw`^apps/[^/]+/src/compose\.ts$` },
    },
    {
      name: 'no-test-code-in-sources',
      comment: 'Sources import neither tests nor test tools.',
      severity: 'error',
      from: { path: '^(apps|packages)/[^/]+/src/', pathNot: tests },
      to: { path: String.raw`\.test\.ts$|^(apps|packages)/[^/]+/test/|/node_modules/(vitest|fast-check)/` },
    },
    {
      name: 'testing-is-for-tests',
      comment: 'What is exported as testing stands in for the world in tests; sources get the real one.',
      severity: 'error',
      from: { pathNot: String.raw`${tests}|^packages/[^/]+/src/testing/` },
      to: { path: '^packages/[^/]+/src/testing/' },
    },
    {
      name: 'local-servers-are-for-up',
      comment: 'Services are given their servers; only sallyport up and tests start some.',
      severity: 'error',
      from: {
        path: '^(apps|packages)/',
        pathNot: `${tests}|^apps/cli/src/|^packages/service/src/(local-servers|testing)/`,
      },
      to: { path: '^packages/service/src/local-servers/' },
    },
    {
      name: 'no-dev-dependency-in-sources',
      comment: 'What sources import is a dependency, not a devDependency.',
      severity: 'error',
      from: {
        path: '^(apps|packages)/[^/]+/src/',
        pathNot: String.raw`${tests}|^packages/[^/]+/src/testing/`,
      },
      to: {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only', 'npm'],
        pathNot: '/node_modules/@types/',
      },
    },
  ],
  options: {
    // Type-only imports count: `import type` and `import('./a.ts').A` make a cycle as well.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^scripts/verify-fixtures/|^(apps|packages)/[^/]+/dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
    moduleSystems: ['es6'],
  },
};
