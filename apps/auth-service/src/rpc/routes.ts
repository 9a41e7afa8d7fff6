/** The methods of the contract: convert, call, convert. Who may call what was settled by the edge. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { authv1 } from '@sallyport/proto';
import { implement, type ServiceImplementation } from '@sallyport/service/grpc';
import type { AuthUseCases } from '../app/use-cases.ts';
import {
  actorOf,
  gatewayId,
  rawOf,
  resource,
  resourceById,
  resourceOfTarget,
  targetOf,
  toPsk,
  toRevocation,
  toSession,
} from './convert.ts';
import { causeOf, toIntrospected, toIssuedToken, wantedOf } from './convert-tokens.ts';

export function routes(auth: AuthUseCases): ServiceImplementation {
  return implement(
    authv1.AuthService,
    {
      provePsk: async (request, context) => ({
        macS: await auth.provePsk(gatewayId(context), rawOf(request.transcript)),
      }),
      authenticateHandshake: (request, context) =>
        auth.authenticateHandshake({
          raw: rawOf(request.transcript),
          gateway: gatewayId(context),
          sourceAddress: request.sourceAddress,
        }),
      closeSession: async (request, context) => {
        await auth.closeSession(actorOf(context), request.sessionId, request.cause);
        return {};
      },
      listSessions: async (request) => {
        const { sessions, nextPageToken } = await auth.listSessions(request);
        return { sessions: sessions.map(toSession), nextPageToken };
      },
      revokeSessions: async (request, context) => ({
        sessionIds: [...(await auth.revokeSessions(actorOf(context), targetOf(request), request.cause))],
      }),
      listRevocations: async (request) => {
        const { revocations, last } = await auth.listRevocations(request.afterNumber);
        return { revocations: revocations.map(toRevocation), lastNumber: last };
      },
      createPsk: async (request, context) => {
        const { pskId, psk, notAfter } = await auth.createPsk(actorOf(context), request);
        return { pskId, psk, notAfter: timestampFromMs(notAfter) };
      },
      listPsks: async (request) => ({ psks: (await auth.listPsks(request.principal)).map(toPsk) }),
      revokePsk: async (request, context) => {
        await auth.revokePsk(actorOf(context), request.pskId);
        return {};
      },
      issueToken: async (request, context) =>
        toIssuedToken(await auth.issueToken(gatewayId(context), request.sessionId, wantedOf(request))),
      introspectToken: async ({ accessToken }) => toIntrospected(await auth.introspectToken(accessToken)),
      revokeToken: async (request, context) => {
        const cause = causeOf(request.cause, 'token_revoked');
        const ended = await auth.revokeToken(actorOf(context), request.accessToken, cause);
        return ended === undefined ? {} : { sessionId: ended };
      },
      setPassword: async (request, context) => ({
        endedSessions: await auth.setPassword(actorOf(context), request.principal, request.password),
      }),
      deletePassword: async (request, context) => ({
        endedSessions: await auth.deletePassword(actorOf(context), request.principal),
      }),
    },
    {
      resources: {
        listSessions: ({ principal }) => resource('session', principal),
        revokeSessions: resourceOfTarget,
        createPsk: ({ principal }) => resource('psk', principal),
        listPsks: ({ principal }) => resource('psk', principal),
        revokePsk: ({ pskId }) => resourceById('psk', pskId),
        // Whose token it is shows only when it is verified: who may look at one may look at all.
        introspectToken: () => resource('token', ''),
        revokeToken: () => resource('session', ''),
        setPassword: ({ principal }) => resource('password', principal),
        deletePassword: ({ principal }) => resource('password', principal),
      },
    },
  );
}
