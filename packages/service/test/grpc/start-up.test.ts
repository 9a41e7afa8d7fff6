import { create, setExtension, type DescService } from '@bufbuild/protobuf';
import { MethodOptionsSchema } from '@bufbuild/protobuf/wkt';
import { AccessSchema, access, channelv1, keyv1, policyv1 } from '@sallyport/proto';
import { beforeAll, expect, test } from 'vitest';
import { grpcClient, implement, type ServiceImplementation } from '../../src/grpc/index.ts';
import { createAuthority, startServer, type Authority, type ServerOverrides } from './fixture.ts';

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority();
});

const answer = async () => ({});
function stub(service: DescService, leaveOut?: string): ServiceImplementation {
  const names = service.methods.map((method) => method.localName).filter((name) => name !== leaveOut);
  return implement(service, Object.fromEntries(names.map((name) => [name, answer])) as never);
}

/** KeyService with another access option on its first method. */
function keyServiceWith(init: { services?: string[] } | undefined): DescService {
  const [first, ...rest] = keyv1.KeyService.methods;
  if (first === undefined) throw new Error('no methods');
  const options = create(MethodOptionsSchema);
  if (init !== undefined) setExtension(options, access, create(AccessSchema, init));
  return {
    ...keyv1.KeyService,
    methods: [{ ...first, proto: { ...first.proto, options } }, ...rest],
  };
}

const start = async (overrides: ServerOverrides): Promise<void> => {
  const server = await startServer(authority, overrides);
  await server.close(0);
};

test.each<[string, () => ServerOverrides, RegExp]>([
  [
    'a method without a handler',
    () => ({ services: [stub(keyv1.KeyService, 'sign')] }),
    /Sign has no handler/,
  ],
  [
    'a method without an access option',
    () => ({ services: [stub(keyServiceWith(undefined))] }),
    /no access option/,
  ],
  ['an access option that names nobody', () => ({ services: [stub(keyServiceWith({}))] }), /for nobody/],
  [
    'an access option that names a service that does not exist',
    () => ({ services: [stub(keyServiceWith({ services: ['keys'] }))] }),
    /"keys", which is not a service/,
  ],
  [
    'methods for principals and nobody to authorise them',
    () => ({ services: [stub(keyv1.KeyService)], authorizePrincipal: undefined as never }),
    /authorizePrincipal and onDecision are missing/,
  ],
  [
    'methods for principals and nothing to record them with',
    () => ({ services: [stub(keyv1.KeyService)], onDecision: undefined as never }),
    /authorizePrincipal and onDecision are missing/,
  ],
  [
    'closed methods on a server that asks for no certificate',
    () => ({ services: [stub(keyv1.KeyService)], clientCertificate: 'none' }),
    /needs client certificates/,
  ],
  [
    'one service twice',
    () => ({ services: [stub(keyv1.KeyService), stub(keyv1.KeyService)] }),
    /implemented twice/,
  ],
  ['a limit of zero', () => ({ services: [], limits: { maxMessageBytes: 0 } }), /limits.maxMessageBytes/],
  [
    'a limit that is no number',
    () => ({ services: [], limits: { maxConnections: NaN } }),
    /limits.maxConnections/,
  ],
])('a server refuses to start with %s', async (_case, overrides, message) => {
  await expect(start(overrides())).rejects.toThrow(message);
});

test('a server starts with frames for anyone and no certificates', async () => {
  await start({
    services: [implement(channelv1.ChannelService, { connect: () => ({ onFrame: () => {} }) })],
    clientCertificate: 'none',
  });
});

test('a server says that its port is taken', async () => {
  const first = await startServer(authority, { services: [] });
  await expect(startServer(authority, { services: [], port: first.port })).rejects.toThrow(/EADDRINUSE/);
  await first.close(0);
});

test('a client of a service that does not exist is a mistake', () => {
  const options = { address: '127.0.0.1:1', trust: authority.trust, deadlineMs: 100 };
  expect(() =>
    grpcClient(policyv1.PolicyService, { ...options, expectedServer: 'policy' as 'policy-service' }),
  ).toThrow(/the services are/);
  expect(() =>
    grpcClient(policyv1.PolicyService, { ...options, expectedServer: 'policy-service', deadlineMs: 0 }),
  ).toThrow(/deadlineMs/);
});
