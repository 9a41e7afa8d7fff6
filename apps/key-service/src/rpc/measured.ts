/** Counts every use case by outcome, and the items of batches. No key name and no tenant becomes a label. */
import { SallyportError } from '@sallyport/service/errors';
import type { Metrics } from '@sallyport/service/metrics';
import type { KeyUseCases } from '../app/use-cases.ts';

/** The same use cases, counted. */
export function measured(keys: KeyUseCases, metrics: Metrics): KeyUseCases {
  const operations = metrics.counter({
    name: 'key_operations_total',
    help: 'Key operations by outcome: ok, or the reason of the refusal',
    labels: ['operation', 'outcome'],
  });
  const items = metrics.counter({
    name: 'key_items_total',
    help: 'Items sealed, opened, signed, leased or destroyed',
    labels: ['operation'],
  });

  /** `count` says how many items a result stands for. */
  function counted<A extends readonly unknown[], R>(
    operation: keyof KeyUseCases,
    run: (...args: A) => Promise<R>,
    count: (result: R) => number = () => 1,
  ): (...args: A) => Promise<R> {
    return async (...args) => {
      try {
        const result = await run(...args);
        operations.add({ operation, outcome: 'ok' });
        items.add({ operation }, count(result));
        return result;
      } catch (error) {
        const outcome = error instanceof SallyportError ? error.reason : 'internal';
        operations.add({ operation, outcome });
        throw error;
      }
    };
  }

  const length = (list: readonly unknown[]) => list.length;
  return {
    encrypt: counted('encrypt', keys.encrypt, length),
    decrypt: counted('decrypt', keys.decrypt, length),
    generateDataKey: counted('generateDataKey', keys.generateDataKey),
    createSessionKey: counted('createSessionKey', keys.createSessionKey),
    renewLeases: counted('renewLeases', keys.renewLeases, length),
    destroySessionKeys: counted('destroySessionKeys', keys.destroySessionKeys, (destroyed) => destroyed),
    sign: counted('sign', keys.sign),
    listPublicKeys: counted('listPublicKeys', keys.listPublicKeys, length),
    lastNumber: keys.lastNumber,
    listKeys: counted('listKeys', keys.listKeys, length),
    rotateKey: counted('rotateKey', keys.rotateKey),
  };
}
