/** The built-in destination of the embedded profile: answers with what it was sent. */
import type { Route } from '../app/ports.ts';

export function echoRoute(): Route {
  return {
    isIdempotent: true,
    send: ({ contentType, body }) => Promise.resolve({ kind: 'response', contentType, body, status: 'ok' }),
  };
}
