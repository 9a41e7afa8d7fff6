import { chmod, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeEvent } from '@sallyport/audit-log';
import { randomBytes, toBase64url, toHex, utf8 } from '@sallyport/crypto';
import { recordPrincipalCalls, startAuditTrail, type AuditTrail } from '@sallyport/service/audit';
import type { DatabaseHost } from '@sallyport/service/database';
import { SallyportError } from '@sallyport/service/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Overrides } from '../src/compose.ts';
import { RootKeyMismatch } from '../src/app/start-keys.ts';
import { RootKeyError } from '../src/root/file.ts';
import { reasonOf } from './support.ts';
import { binding, createWorld, signedBinding, startKeyService, type Started, type World } from './fixture.ts';

const aad = utf8('psk:0011');

let world: World;
let database: DatabaseHost;
let trail: AuditTrail | undefined;
const overrides: Overrides = {
  recordPrincipalCalls,
  startAuditTrail: async (options) => {
    trail = await startAuditTrail(options);
    return trail;
  },
};

beforeAll(async () => {
  world = await createWorld();
  database = await world.openDatabase();
}, 60_000);
afterAll(async () => {
  await database.close();
  await world[Symbol.asyncDispose]();
}, 30_000);

/** One life of the service, with a real audit trail, over the same database and files. */
async function life<T>(use: (service: Started) => Promise<T>): Promise<T> {
  await using service = await startKeyService(world, database, overrides);
  return await use(service);
}

describe('over a restart', () => {
  it('a root key is made when there is nothing to lose, for the owner alone', async () => {
    await life(async () => undefined);
    const { mode, size } = await stat(world.rootKeyFile);
    expect([mode & 0o777, size]).toEqual([0o600, 32]);
  });

  it('everything opens, verifies and counts as before', async () => {
    const sid = randomBytes(16);
    const before = await life(async (service) => {
      const auth = await service.as('svc/auth-service');
      const { ciphertexts } = await auth.encrypt({
        key: 'auth/psk',
        items: [{ plaintext: utf8('secret'), aad }],
      });
      await (await service.as('svc/gateway')).createSessionKey(await signedBinding(auth, binding({ sid })));
      const { keys } = await auth.listPublicKeys({});
      return { ciphertexts, keys };
    });
    await life(async (service) => {
      const auth = await service.as('svc/auth-service');
      const items = before.ciphertexts.map((ciphertext) => ({ ciphertext, aad }));
      expect((await auth.decrypt({ key: 'auth/psk', items })).plaintexts).toEqual([utf8('secret')]);
      expect((await auth.listPublicKeys({})).keys).toEqual(before.keys);
      const gateway = await service.as('svc/gateway');
      expect((await gateway.renewLeases({ sessionIds: [sid] })).leases).toHaveLength(1);
      const { keys } = await (await service.as('user/admin')).listKeys({});
      expect(keys.find(({ name }) => name === 'auth/psk')?.versions).toMatchObject([
        { version: 1, uses: 1n },
      ]);
    });
  });

  it.each([
    [
      'a missing root key',
      async () => rename(world.rootKeyFile, `${world.rootKeyFile}.away`),
      { name: RootKeyError.name, kind: 'missing' },
    ],
    [
      'a root key that others can read',
      async () => chmod(world.rootKeyFile, 0o640),
      { name: RootKeyError.name, kind: 'permissions' },
    ],
    [
      'a root key cut short',
      async () => writeFile(world.rootKeyFile, randomBytes(31)),
      { name: RootKeyError.name, kind: 'length' },
    ],
    [
      'another root key',
      async () => writeFile(world.rootKeyFile, randomBytes(32)),
      { name: RootKeyMismatch.name },
    ],
  ])('%s keeps it from starting, and is left as it is', async (_, damage, refusal) => {
    await life(async () => undefined);
    const good = await readFile(world.rootKeyFile);
    await damage();
    const before = await readdir(world.home);
    await expect(life(async () => undefined)).rejects.toMatchObject(refusal);
    expect(await readdir(world.home)).toEqual(before);
    await rm(world.rootKeyFile, { force: true });
    await writeFile(world.rootKeyFile, good, { mode: 0o600 });
  });
});

describe('a secret', () => {
  /** All bytes below a folder, by file. */
  async function filesBelow(folder: string): Promise<ReadonlyMap<string, Buffer>> {
    const files = new Map<string, Buffer>();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files.set(path, await readFile(path));
    }
    return files;
  }

  it('is in no file, log line, span, event, metric or error', async () => {
    const canary = utf8(`canary-${toHex(randomBytes(12))}`);
    const canaryAad = utf8(`aad-canary-${toHex(randomBytes(12))}`);
    const secrets = new Map<string, Uint8Array>([
      ['plaintext', canary],
      ['associated data', canaryAad],
    ]);
    const errors: string[] = [];
    const refused = async (call: Promise<unknown>) => {
      const error: unknown = await call.then(
        () => undefined,
        (caught: unknown) => caught,
      );
      if (!(error instanceof SallyportError)) throw new Error('was not refused');
      errors.push(`${error.message} ${error.stack} ${JSON.stringify(error)} ${error.field}`);
    };

    const metrics = await life(async (service) => {
      const [auth, audit] = [await service.as('svc/auth-service'), await service.as('svc/audit-service')];
      const gateway = await service.as('svc/gateway');
      const item = { plaintext: canary, aad: canaryAad };
      const { ciphertexts } = await auth.encrypt({ key: 'auth/psk', items: [item] });
      const [ciphertext = new Uint8Array(0)] = ciphertexts;
      await auth.decrypt({ key: 'auth/psk', items: [{ ciphertext, aad: canaryAad }] });
      secrets.set('data key', (await audit.generateDataKey({ key: 'audit/day', aad: canaryAad })).plaintext);
      secrets.set('session key', (await gateway.createSessionKey(await signedBinding(auth))).sessionKey);
      await auth.sign({ purpose: 'session-binding', message: canary });

      await refused(audit.encrypt({ key: 'auth/psk', items: [item] }));
      await refused(auth.encrypt({ key: new TextDecoder().decode(canary), items: [item] }));
      await refused(
        auth.encrypt({ key: 'auth/psk', items: [{ plaintext: canary, aad: new Uint8Array(0) }] }),
      );
      await refused(auth.decrypt({ key: 'auth/psk', items: [{ ciphertext: canary, aad: canaryAad }] }));
      await refused(auth.decrypt({ key: 'auth/psk', items: [{ ciphertext, aad: canary }] }));
      await refused(auth.sign({ purpose: new TextDecoder().decode(canary), message: canary }));
      await refused(
        gateway.createSessionKey({ binding: canary, bindingSignature: canary, bindingKeyId: 'x' }),
      );
      await refused(gateway.destroySessionKeys({ sessionIds: [canary] }));
      return service.runtime.metrics.exposition();
    });

    const places = new Map<string, Buffer>([
      ...(await filesBelow(world.home)),
      ['log', Buffer.from(JSON.stringify(world.log.lines))],
      ['spans', Buffer.from(JSON.stringify(world.spans))],
      ['errors', Buffer.from(errors.join('\n'))],
      ['metrics', Buffer.from(metrics)],
    ]);
    expect(places.size).toBeGreaterThan(10); // database, spool and root key are really there
    for (const [what, secret] of secrets) {
      const forms = [secret, toHex(secret), toBase64url(secret), Buffer.from(secret).toString('base64')];
      for (const [place, content] of places) {
        for (const form of forms) {
          expect(
            content.includes(typeof form === 'string' ? form : Buffer.from(form)),
            `${what} in ${place}`,
          ).toBe(false);
        }
      }
    }
  });

  it('would be found: the search sees what is in the spool and the database', async () => {
    const sid = randomBytes(16);
    await life(async (service) => {
      const auth = await service.as('svc/auth-service');
      await (await service.as('svc/gateway')).createSessionKey(await signedBinding(auth, binding({ sid })));
    });
    const places = [...(await filesBelow(world.home))]
      .filter(([, content]) => content.includes(toHex(sid)) || content.includes(Buffer.from(sid)))
      .map(([path]) => path.slice(world.home.length + 1).split('/')[0]);
    expect(new Set(places)).toEqual(new Set(['database', 'spool']));
  });
});

describe('the audit trail', () => {
  it('has every key event and every call of a principal, on disk before the answer', async () => {
    const told = await life(async (service) => {
      if (trail === undefined) throw new Error('no trail');
      const { spool } = trail;
      const start = spool.head + 1n;
      const audit = await service.as('svc/audit-service');
      await audit.encrypt({ key: 'audit/told', items: [{ plaintext: utf8('x'), aad }] });
      await (await service.as('user/admin')).rotateKey({ name: 'audit/told' });
      const guest = await service.as('user/guest');
      expect(await reasonOf(guest.rotateKey({ name: 'audit/told' }))).toBe('denied');
      return (await spool.read(start, 1_000_000)).bodies;
    });
    const lines = told.map((body) => {
      const decoded = decodeEvent(body);
      if (!decoded.ok) throw new Error('not an event');
      const { type, data } = decoded.event;
      return `${type.slice('sallyport.audit.'.length)} ${data.activity_name} ${data.status_code}`;
    });
    expect(lines).toEqual([
      'entity_management create first_use',
      'call update allowed',
      'entity_management create rotation',
      'entity_management deactivate rotation',
      'call update ok',
      'call update denied',
    ]);
  });
});
