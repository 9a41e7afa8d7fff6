/** Sessions as gateways leave them for each other: a sealed record beside the replay state, in the same slot. */
import type { Clock } from '@sallyport/service/clock';
import type { FrameRefusal, SessionStore } from '../app/ports.ts';
import type { Attachments } from './redis-attachments.ts';
import type { RedisCaller } from './redis-caller.ts';
import { keysOf } from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';

export const MAX_RECORD_BYTES = 16 * 1024;

export function redisSessionStore(ports: {
  readonly caller: Pick<RedisCaller, 'run' | 'send'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly attachments: Pick<Attachments, 'add'>;
  /** Throws while the guard would refuse. */
  readonly refuseIfAway: () => void;
}): SessionStore {
  const { caller, clock, attachments, refuseIfAway } = ports;

  function bounded(sealedRecord: Uint8Array): Buffer {
    if (sealedRecord.length > MAX_RECORD_BYTES)
      throw new RangeError(`a session record has at most ${MAX_RECORD_BYTES} bytes`);
    return Buffer.from(sealedRecord.buffer, sealedRecord.byteOffset, sealedRecord.length);
  }

  return {
    async save(session, sealedRecord) {
      const { s, record } = keysOf(session.sessionId);
      const args = [String(clock.now()), String(session.generation), bounded(sealedRecord)];
      await caller.run(SCRIPTS.save, [s, record], args);
    },

    async isAttached({ sessionId, generation }) {
      const { s } = keysOf(sessionId);
      const current = await caller.send(s, ['HGET', s, 'g']);
      // Forgotten is not superseded: its next frame hears what is to be done.
      return !Buffer.isBuffer(current) || current.toString() === String(generation);
    },

    async find(sessionId) {
      refuseIfAway();
      const { s, record } = keysOf(sessionId);
      const reply = (await caller.run(SCRIPTS.find, [s, record], [])) as [Buffer, number?, number?, Buffer?];
      const [status, generation, received, sealedRecord] = reply;
      if (String(status) === 'revoked') return 'revoked';
      if (generation === undefined || received === undefined || sealedRecord === undefined) return undefined;
      return { generation, received, sealedRecord };
    },

    async takeOver({ sessionId, notAfterMs, responseKey }, { generation }, { firstSequence, sealedRecord }) {
      refuseIfAway();
      const { s, record } = keysOf(sessionId);
      const nowMs = String(clock.now());
      const next = bounded(sealedRecord);
      const args = [nowMs, String(notAfterMs), String(generation), String(firstSequence), next];
      const reply = (await caller.run(SCRIPTS.attach, [s, record], args)) as [Buffer, number, number];
      if (String(reply[0]) !== 'ok') return { refused: String(reply[0]) as FrameRefusal };
      const session = { sessionId, generation: reply[1] };
      attachments.add(session, { responseKey, version: reply[2] });
      return session;
    },
  };
}
