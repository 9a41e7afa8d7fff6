/** The methods of the contract: convert, call, convert. Who may call what was settled by the edge. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { keyv1 } from '@sallyport/proto';
import { implement, type ServiceImplementation } from '@sallyport/service/grpc';
import type { KeyUseCases } from '../app/use-cases.ts';
import { actorOf, refOf, serviceName, toKey, toKeyVersion, toLease, toPublicKey } from './convert.ts';

export function routes(keys: KeyUseCases): ServiceImplementation {
  return implement(
    keyv1.KeyService,
    {
      encrypt: async (request, context) => ({
        ciphertexts: [...(await keys.encrypt(serviceName(context), request.key, request.items))],
      }),
      decrypt: async (request, context) => ({
        plaintexts: [...(await keys.decrypt(serviceName(context), request.key, request.items))],
      }),
      generateDataKey: async (request, context) => {
        const made = await keys.generateDataKey(serviceName(context), request.key, request.aad);
        if (!request.wrappedOnly) return made;
        made.plaintext.fill(0);
        return { dataKeyId: made.dataKeyId, wrapped: made.wrapped };
      },
      createSessionKey: async (request, context) => {
        const made = await keys.createSessionKey(serviceName(context), {
          binding: request.binding,
          signature: request.bindingSignature,
          keyId: request.bindingKeyId,
        });
        return { sessionKey: made.sessionKey, leaseNotAfter: timestampFromMs(made.leaseNotAfter) };
      },
      renewLeases: async (request) => ({
        leases: (await keys.renewLeases(request.sessionIds)).map(toLease),
      }),
      destroySessionKeys: async (request, context) => ({
        destroyed: await keys.destroySessionKeys(serviceName(context), request.sessionIds),
      }),
      sign: (request, context) =>
        keys.sign(serviceName(context), request.purpose, request.message, request.algorithm),
      listPublicKeys: async (request) => {
        // The number first: the directory may hold more than it says, never less.
        const lastNumber = await keys.lastNumber();
        return { keys: (await keys.listPublicKeys(request.purpose)).map(toPublicKey), lastNumber };
      },
      listKeys: async () => ({ keys: (await keys.listKeys()).map(toKey) }),
      rotateKey: async (request, context) => ({
        active: toKeyVersion(await keys.rotateKey(refOf(request.name), actorOf(context))),
      }),
    },
    {
      validate: { rotateKey: (request) => void refOf(request.name) },
      resources: { rotateKey: (request) => ({ kind: 'key', name: request.name }) },
    },
  );
}
