import { fromHex, randomBytes, toHex, utf8 } from '@sallyport/crypto';
import { expect, it } from 'vitest';
import { HASH_PARAMETERS } from '../domain/password.ts';
import { argon2id } from './argon2.ts';

const wanted = (password = utf8('password')) => ({
  ...HASH_PARAMETERS,
  password,
  salt: utf8('somesaltsomesalt'),
  length: 32,
});

it('is Argon2id version 1.3: a vector of the reference implementation (phc-winner-argon2, src/test.c)', async () => {
  const hash = argon2id({ atATime: 1, waiting: 0 });
  const known = fromHex('09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7');
  expect(
    toHex(
      await hash({
        password: utf8('password'),
        salt: utf8('somesalt'),
        memoryKib: 65_536,
        passes: 2,
        lanes: 1,
        length: 32,
      }),
    ),
  ).toBe(known && toHex(known));
});

it('runs so many at a time, lets so many wait, and refuses the rest', async () => {
  const hash = argon2id({ atATime: 2, waiting: 3 });
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => hash(wanted())));
  expect(results.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 5 }, () => 'fulfilled'),
    ...Array.from({ length: 3 }, () => 'rejected'),
  ]);
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ reason: 'busy' });
  await expect(hash(wanted())).resolves.toHaveLength(32);
});

it('a refusal of the platform leaves room for the next', async () => {
  const hash = argon2id({ atATime: 1, waiting: 0 });
  for (let n = 0; n < 3; n += 1)
    await expect(hash({ ...wanted(), salt: randomBytes(1) })).rejects.toThrow(/nonce/u);
  await expect(hash(wanted())).resolves.toHaveLength(32);
});
