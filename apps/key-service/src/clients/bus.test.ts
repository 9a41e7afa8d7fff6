import { create, toBinary } from '@bufbuild/protobuf';
import { toHex, utf8 } from '@sallyport/crypto';
import { eventsv1 } from '@sallyport/proto';
import type { BusHandler } from '@sallyport/service/bus';
import { expect, test } from 'vitest';
import { followKeyChanges } from './bus.ts';

const OLD = toHex(new Uint8Array(16).fill(1));
const changed = (keyId: string, state: string) =>
  toBinary(
    eventsv1.KeyChangedSchema,
    create(eventsv1.KeyChangedSchema, { name: 'auth/psk', keyId, state, purpose: '' }),
  );

// A handler that rejects gets the same message again and again, and nothing after it.
test.each([
  ['a version that gave way is heard of', changed(OLD, 'DEACTIVATED'), [OLD]],
  ['one that became active is none of it', changed(OLD, 'ACTIVE'), []],
  ['no key id is passed over', changed('no key id', 'DEACTIVATED'), []],
  ['no announcement is passed over', utf8('not protobuf'), []],
])('%s', async (_, payload, expected) => {
  const heard: string[] = [];
  let handler: BusHandler = () => Promise.reject(new Error('not subscribed'));
  const subscribe = async (_subject: string, _options: object, given: BusHandler) => {
    handler = given;
    return { unsubscribe: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
  };
  await followKeyChanges({ subscribe }, async (keyId) => void heard.push(keyId));
  await handler({ subject: 'keys.changed', payload, msgId: undefined, deliveries: 1 });
  expect(heard).toEqual(expected);
});
