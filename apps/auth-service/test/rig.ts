/** What the suites of handshakes share: one set of certificates, fresh use cases for each test, and short ways to ask. */
import type { RawHandshake } from '@sallyport/channel';
import { beforeAll, beforeEach, expect } from 'vitest';
import type { NewPsk } from '../src/app/create-psk.ts';
import type { Leaf } from './pki.ts';
import {
  certificateOf,
  createPki,
  GATEWAY,
  pskOf,
  shake,
  testApp,
  type Pki,
  type TestApp,
} from './support.ts';

export const ADMIN = { kind: 'principal', id: 'user:admin' } as const;
export const SOURCE = '192.0.2.7';

/** To be called at the top of a test file. `app` is another one in each test. */
export function useRig() {
  let pki: Pki;
  let app: TestApp;
  beforeAll(async () => {
    pki = await createPki();
  });
  beforeEach(() => {
    app = testApp(pki.authority.pem);
  });
  const prove = (raw: RawHandshake) => app.auth.provePsk(GATEWAY, raw);
  return {
    get pki() {
      return pki;
    },
    get app() {
      return app;
    },
    judge: (raw: RawHandshake, gateway = GATEWAY) =>
      app.auth.authenticateHandshake({ raw, gateway, sourceAddress: SOURCE }),
    prove,
    newPsk: (principal = 'workload:batch'): Promise<NewPsk> =>
      app.auth.createPsk(ADMIN, { principal, lifetimeDays: 0, label: '' }),
    byCertificate: (leaf: Leaf = pki.alice) =>
      shake({ credential: certificateOf(leaf), gateway: pki.gateway }),
    byPsk: (psk: NewPsk, client?: string) =>
      shake({ credential: pskOf(psk, client), gateway: pki.gateway, provePsk: prove }),
    /** Refused with one message; resolves to the precise cause, which is known inside only. */
    refusedFor: async (operation: Promise<unknown>): Promise<string | undefined> => {
      const error: unknown = await operation.then(
        () => undefined,
        (caught: unknown) => caught,
      );
      expect(error).toMatchObject({
        reason: 'credential_invalid',
        message: 'the handshake is not accepted',
      });
      return app.causes.at(-1);
    },
  };
}
