/** Data keys: made in two halves (see `domain/data-key.ts`), destroyed by erasing the half that is here. */
import { AES_256_GCM, aead, secretKey, toHex } from '@sallyport/crypto';
import type { TellEvents } from '@sallyport/service/lifecycle';
import { DATA_KEY_ID_BYTES, dataKeyHeader, encodeCiphertext } from '../domain/ciphertext.ts';
import type { KeyEvent } from '../domain/key-event.ts';
import type { KeyRef } from '../domain/key.ts';
import { SYMMETRIC_KEY_BYTES } from '../domain/limits.ts';
import { dataKeyContext, dataKeyRowContext } from '../domain/wrap-context.ts';
import type { ActiveKeys } from './active-keys.ts';
import { ownDomainKey } from './authority.ts';
import { checkAad } from './encrypt.ts';
import type { CheckRecorder, DataKeyStore, Now } from './ports.ts';
import { wrapChild, type WrapChildPorts } from './wrap-child.ts';

export interface DataKeyPorts extends WrapChildPorts {
  readonly active: ActiveKeys;
  readonly dataKeys: DataKeyStore;
  readonly checkRecorder: CheckRecorder;
  readonly tell: TellEvents;
  readonly now: Now;
}

export interface NewDataKey {
  readonly dataKeyId: string;
  /** 32 bytes; the caller wipes them. */
  readonly plaintext: Uint8Array;
  /** What Decrypt opens with the same associated data, as long as the key is not destroyed. */
  readonly wrapped: Uint8Array;
}

/** A fresh data key under the caller's domain key `name`. Throws `SallyportError`. */
export async function generateDataKey(
  ports: DataKeyPorts,
  caller: string,
  name: string,
  aad: Uint8Array,
): Promise<NewDataKey> {
  const ref = ownDomainKey(name, caller);
  checkAad(aad, 'aad');
  await ports.checkRecorder();
  const id = ports.random(DATA_KEY_ID_BYTES);
  const parent = await ports.active.lend(ref, 1, { kind: 'service', name: caller });
  const rowKey = ports.random(SYMMETRIC_KEY_BYTES);
  try {
    const header = dataKeyHeader(id);
    const nonce = ports.random(AES_256_GCM.ivLength);
    const plaintext = ports.random(SYMMETRIC_KEY_BYTES);
    const sealed = aead(AES_256_GCM).seal({
      key: secretKey(rowKey), // seals this once and nothing else
      iv: nonce,
      aad: dataKeyContext(ref, header, aad),
      plaintext,
    });
    const createdAt = ports.now();
    await ports.dataKeys.insert(
      {
        dataKeyId: toHex(id),
        tenant: ref.tenant,
        name: ref.name,
        parent: parent.keyId,
        wrapped: await wrapChild(ports, parent, rowKey, (rowHeader) =>
          dataKeyRowContext(parent, rowHeader, id),
        ),
        createdAt,
        destroyedAt: undefined,
      },
      event(ports, ref, toHex(id), createdAt, caller, 'created'),
    );
    await ports.tell();
    return { dataKeyId: toHex(id), plaintext, wrapped: encodeCiphertext({ header, nonce, sealed }) };
  } finally {
    rowKey.fill(0);
  }
}

/** Erases a data key of the caller's domain key `name`, for good. False when there is none left to erase. */
export async function destroyDataKey(
  ports: Pick<DataKeyPorts, 'dataKeys' | 'tell' | 'now' | 'random'>,
  caller: string,
  name: string,
  dataKeyId: string,
): Promise<boolean> {
  const ref = ownDomainKey(name, caller);
  const row = await ports.dataKeys.find(dataKeyId);
  if (row === undefined || row.tenant !== ref.tenant || row.name !== ref.name) return false;
  const now = ports.now();
  const destroyed = await ports.dataKeys.destroy(
    dataKeyId,
    now,
    event(ports, ref, dataKeyId, now, caller, 'destroyed'),
  );
  await ports.tell(); // also when nothing was left: an earlier call may have died before it told
  return destroyed;
}

function event(
  { random }: Pick<DataKeyPorts, 'random'>,
  ref: KeyRef,
  dataKeyId: string,
  timeMs: number,
  caller: string,
  change: KeyEvent['change'],
): KeyEvent {
  return {
    id: toHex(random(16)),
    timeMs,
    actor: { kind: 'service', name: caller },
    change,
    cause: 'requested',
    subject: { type: 'data-key', tenant: ref.tenant, name: ref.name, dataKeyId },
  };
}
