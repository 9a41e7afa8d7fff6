/** Argon2id of the platform, a bounded number at a time: it runs on libuv's threads, which TLS and files need too. */
import { argon2 } from 'node:crypto';
import { bytesOf } from '@sallyport/crypto';
import { busy } from '@sallyport/service/errors';
import type { HashPassword, PasswordToHash } from '../app/ports.ts';

export function argon2id(limits: { readonly atATime: number; readonly waiting: number }): HashPassword {
  let running = 0;
  const waiting: (() => void)[] = [];

  async function turn(): Promise<void> {
    if (running < limits.atATime) {
      running += 1;
      return;
    }
    if (waiting.length >= limits.waiting) throw busy('too many sign in at the moment');
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  function done(): void {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next(); // the place goes on to who waited longest
  }

  return async (wanted) => {
    await turn();
    try {
      return await derive(wanted);
    } finally {
      done();
    }
  };
}

function derive({ password, salt, memoryKib, passes, lanes, length }: PasswordToHash): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    argon2(
      'argon2id',
      { message: password, nonce: salt, parallelism: lanes, tagLength: length, memory: memoryKib, passes },
      (error, hash) => (error === null ? resolve(bytesOf(hash)) : reject(error)),
    );
  });
}
