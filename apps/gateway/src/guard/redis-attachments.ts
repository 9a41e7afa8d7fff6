/** Attachments of this gateway, by the object that the guard gave out for each. */
import type { KeyObject } from 'node:crypto';
import type { GuardSession } from '../app/ports.ts';

export type Attached = {
  readonly responseKey: KeyObject;
  /** The highest version Redis acknowledged to this gateway: what is below it was lost. */
  version: number;
};

export type Attachments = {
  add(session: GuardSession, attached: Attached): void;
  /** Throws `TypeError` for what is no attachment of this guard. */
  of(session: GuardSession): Attached;
};

export function createAttachments(): Attachments {
  const known = new WeakMap<GuardSession, Attached>();
  return {
    add: (session, attached) => void known.set(session, attached),
    of(session) {
      const attached = known.get(session);
      if (attached === undefined) throw new TypeError('not an attachment of this guard');
      return attached;
    },
  };
}

/** What Redis acknowledged. */
export function raiseVersion(of: Attached, version: unknown): void {
  of.version = Math.max(of.version, Number(version));
}
