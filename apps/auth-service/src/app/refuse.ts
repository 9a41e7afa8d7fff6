import { SallyportError } from '@sallyport/service/errors';

/** All that a refused handshake is told (STYLE.md rule 19). */
export function handshakeRefused(): SallyportError {
  return new SallyportError('credential_invalid', 'the handshake is not accepted');
}
