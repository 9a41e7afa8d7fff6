/** The client's side of mutual TLS 1.3: credentials that accept one server, by its SPIFFE name. */
import { createSecureContext } from 'node:tls';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import {
  chainOfDetails,
  peerVerifier,
  serviceSpiffeId,
  type CallerResult,
  type Identity,
  type ServiceName,
  type Trust,
} from '../identity/index.ts';
import { TLS_GROUPS } from './connections.ts';

export interface ExpectedServer {
  readonly credentials: ChannelCredentials;
  /** For SNI and `:authority`. */
  readonly serverName: string;
  /** Why the last server was refused by name, if it was; for people. */
  refusal(): string | undefined;
}

/** Throws `TypeError` for a service that does not exist. */
export function expectServer(options: {
  readonly expectedServer: ServiceName;
  readonly identity?: Identity;
  readonly trust: Trust;
}): ExpectedServer {
  const { expectedServer, identity, trust } = options;
  const expected = serviceSpiffeId(trust.trustDomain, expectedServer);
  const peers = peerVerifier(trust);
  // The context's own bounds hold for every connection made with it: TLS 1.3 only, hybrid group first.
  const context = createSecureContext({
    minVersion: 'TLSv1.3',
    ca: trust.caPem,
    ecdhCurve: TLS_GROUPS,
    ...(identity === undefined
      ? {}
      : { cert: identity.certPem, key: identity.key.export({ format: 'pem', type: 'pkcs8' }) }),
  });
  let refusal: string | undefined;
  return {
    credentials: credentials.createFromSecureContext(context, {
      // Called after the chain was verified. Host names are not looked at: the SPIFFE id is the name.
      checkServerIdentity(_host, certificate) {
        refusal = differenceFrom(expected, peers.verify(chainOfDetails(certificate), 'server'));
        return refusal === undefined ? undefined : new Error(refusal);
      },
    }),
    serverName: `${expectedServer}.${trust.trustDomain}`,
    refusal: () => refusal,
  };
}

function differenceFrom(expected: string, named: CallerResult): string | undefined {
  if (!named.ok) return `expected ${expected}, the certificate names nobody known (${named.problem})`;
  if (named.caller.spiffeId !== expected) return `expected ${expected}, met ${named.caller.spiffeId}`;
  return undefined;
}
