/** Counts every use case by outcome. No principal, id or address becomes a label. */
import { SallyportError } from '@sallyport/service/errors';
import type { Metrics } from '@sallyport/service/metrics';
import type { AuthUseCases } from '../app/use-cases.ts';

/** The same use cases, counted. */
export function measured(auth: AuthUseCases, metrics: Metrics): AuthUseCases {
  const operations = metrics.counter({
    name: 'auth_operations_total',
    help: 'Operations of auth-service by outcome: ok, or the reason of the refusal',
    labels: ['operation', 'outcome'],
  });

  function counted<A extends readonly unknown[], R>(
    operation: keyof AuthUseCases,
    run: (...args: A) => Promise<R>,
  ): (...args: A) => Promise<R> {
    return async (...args) => {
      try {
        const result = await run(...args);
        operations.add({ operation, outcome: 'ok' });
        return result;
      } catch (error) {
        operations.add({ operation, outcome: error instanceof SallyportError ? error.reason : 'internal' });
        throw error;
      }
    };
  }

  return {
    provePsk: counted('provePsk', auth.provePsk),
    authenticateHandshake: counted('authenticateHandshake', auth.authenticateHandshake),
    closeSession: counted('closeSession', auth.closeSession),
    listSessions: counted('listSessions', auth.listSessions),
    revokeSessions: counted('revokeSessions', auth.revokeSessions),
    listRevocations: counted('listRevocations', auth.listRevocations),
    createPsk: counted('createPsk', auth.createPsk),
    listPsks: counted('listPsks', auth.listPsks),
    revokePsk: counted('revokePsk', auth.revokePsk),
    issueToken: counted('issueToken', auth.issueToken),
    issueAccessToken: counted('issueAccessToken', auth.issueAccessToken),
    openTokenSession: counted('openTokenSession', auth.openTokenSession),
    findTokenSession: counted('findTokenSession', auth.findTokenSession),
    isSessionLive: counted('isSessionLive', auth.isSessionLive),
    endTokenSession: counted('endTokenSession', auth.endTokenSession),
    introspectToken: counted('introspectToken', auth.introspectToken),
    revokeToken: counted('revokeToken', auth.revokeToken),
    jwks: counted('jwks', auth.jwks),
    setPassword: counted('setPassword', auth.setPassword),
    deletePassword: counted('deletePassword', auth.deletePassword),
    verifyPassword: counted('verifyPassword', auth.verifyPassword),
  };
}
