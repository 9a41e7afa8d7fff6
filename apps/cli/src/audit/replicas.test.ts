/** One verification over several replicas: which one is read, and what is said of the others. */
import {
  CHECKPOINT_PATH,
  claimedSize,
  entryOf,
  formatVerifierKey,
  memoryTileStore,
  openLog,
  parseVerifierKey,
  readTileAt,
  signCheckpoint,
  type Checkpoint,
  type NoteSigner,
  type TileStore,
} from '@sallyport/audit-log';
import { create } from '@bufbuild/protobuf';
import { ED25519, leafHash, utf8 } from '@sallyport/crypto';
import { auditv1 } from '@sallyport/proto';
import { callerNotAllowed, notFound, unavailable } from '@sallyport/service/errors';
import { describe, expect, test } from 'vitest';
import { replicaRemarks } from './remarks.ts';
import { anyReplica, verifyReplicas, type LogReplica, type LogVerification } from './replicas.ts';

const { publicKey, privateKey } = ED25519.keyPairFromRaw(new Uint8Array(32).fill(9));
const signer: NoteSigner = {
  name: 'sallyport.local/audit',
  publicKey: ED25519.rawPublicKey(publicKey),
  sign: async (message) => ED25519.sign(privateKey, message),
};
const verifierKey = formatVerifierKey(signer.name, signer.publicKey);
const keys = [parseVerifierKey(verifierKey)].filter((key) => key !== undefined);

const PRODUCER = 'spiffe://sallyport.local/svc/gateway#1';
/** No event: what rows say is for the verifier's own tests. */
const bodyOf = (n: number, about: string): Uint8Array => utf8(`${about} ${n}`);

type Fake = LogReplica & {
  readonly store: TileStore;
  /** Methods called, in order. */
  readonly asked: string[];
  findings: string[];
  /** Runs before each call, and may throw. */
  before: (call: string) => Promise<void>;
};

/** A replica's folder of so many leaves; `about` makes another history. */
async function replicaOf(address: string, size: number, about = 'event'): Promise<Fake> {
  const store = memoryTileStore();
  const log = await openLog(store, 0);
  const leaves = Array.from({ length: size }, (_, i) => ({
    producer: PRODUCER,
    seq: BigInt(i + 1),
    body: bodyOf(i, about),
  }));
  if (size > 0) {
    await log.append(leaves.map(entryOf));
    await signCheckpoint({ store, log, signer });
  }
  const asked: string[] = [];
  const replica: Fake = {
    address,
    asked,
    store,
    findings: [],
    before: async () => undefined,
    client: {
      async getCheckpoint() {
        await begin('getCheckpoint');
        const note = await store.read(CHECKPOINT_PATH);
        return create(auditv1.GetCheckpointResponseSchema, {
          checkpoint: note === undefined ? '' : new TextDecoder().decode(note),
          findings: replica.findings,
        });
      },
      async getTile({ path = '' }) {
        await begin('getTile');
        const tile = await readTileAt(
          (each) => store.read(each),
          path,
          async () => claimedSize(await store.read(CHECKPOINT_PATH)),
        );
        if (tile === undefined) throw notFound(`There is no ${path}.`);
        return create(auditv1.GetTileResponseSchema, { tile });
      },
      async *exportLeaves() {
        await begin('exportLeaves');
        yield create(auditv1.ExportLeavesResponseSchema, {
          leaves: leaves.map((leaf, i) => ({
            leafIndex: BigInt(i),
            producer: leaf.producer,
            producerSeq: leaf.seq,
            body: leaf.body,
            leafHash: leafHash(entryOf(leaf)),
            records: [{ phase: auditv1.Phase.EVENT, activity: 'undecodable' }],
          })),
        });
      },
    },
  };
  async function begin(call: string): Promise<void> {
    asked.push(call);
    await replica.before(call);
  }
  return replica;
}

async function checkpointOf(size: number, about?: string): Promise<Checkpoint> {
  const { report } = await verify([await replicaOf('x', size, about)]);
  if (report.checkpoint === undefined) throw new Error('no checkpoint');
  return report.checkpoint;
}

const verify = (
  replicas: readonly LogReplica[],
  previous?: Checkpoint,
  sleep: () => Promise<unknown> = async () => undefined,
): Promise<LogVerification> =>
  verifyReplicas(replicas, {
    verifierKey,
    keys,
    ...(previous === undefined ? {} : { previous }),
    onLeaf: () => undefined,
    sleep,
  });

const gone = async (): Promise<never> => {
  throw unavailable('audit-service could not be reached.');
};
const wasRead = ({ asked }: Fake): boolean => asked.includes('exportLeaves');

describe('the replica that is read', () => {
  test.each([
    { sizes: [5, 300], read: 1 },
    { sizes: [300, 5], read: 0 },
    { sizes: [300, 300], read: 0 },
    { sizes: [0, 2, 1], read: 1 },
  ])('of $sizes leaves is number $read, alone and from beginning to end', async ({ sizes, read }) => {
    const replicas = await Promise.all(sizes.map((size, i) => replicaOf(`replica ${i}`, size)));
    const { report, replicas: states } = await verify(replicas);
    expect(report).toMatchObject({ ok: true, leaves: Math.max(...sizes) });
    expect(replicas.map(wasRead)).toEqual(sizes.map((_, i) => i === read));
    expect(states.map(({ state }) => state)).toEqual(sizes.map((_, i) => (i === read ? 'read' : 'current')));
  });

  test.each(['getTile', 'exportLeaves', 'getCheckpoint'])(
    'is another one, from the start, when it goes away at its %s',
    async (at) => {
      const [first, second] = [await replicaOf('first', 300), await replicaOf('second', 300)];
      first.before = async (call) => {
        if (call === at && (at !== 'getCheckpoint' || first.asked.length > 1)) await gone();
      };
      const { report, replicas } = await verify([first, second]);
      expect(report).toMatchObject({ ok: true, leaves: 300 });
      expect(replicas).toMatchObject([
        { address: 'first', state: 'silent' },
        { state: 'read', size: 300 },
      ]);
      expect(replicaRemarks(replicas, undefined).join('\n')).toContain('first was not compared');
    },
  );

  test('is none when none can be reached: the error of the first', async () => {
    const [first, second] = [await replicaOf('first', 3), await replicaOf('second', 3)];
    first.before = gone;
    second.before = gone;
    await expect(verify([first, second])).rejects.toMatchObject({ reason: 'unavailable' });
  });

  test('is not changed by a refusal, which is an answer', async () => {
    const [first, second] = [await replicaOf('first', 3), await replicaOf('second', 3)];
    first.before = async () => {
      throw callerNotAllowed('Not you.');
    };
    await expect(verify([first, second])).rejects.toMatchObject({ reason: 'caller_not_allowed' });
  });
});

describe('a replica that lags behind what was verified here', () => {
  test('is named, and is no finding, while another one has it', async () => {
    const previous = await checkpointOf(10);
    const replicas = [await replicaOf('slow', 4), await replicaOf('quick', 12)];
    const { report, replicas: states } = await verify(replicas, previous);
    expect(report.findings).toEqual([]);
    expect(states).toEqual([
      { address: 'slow', state: 'behind', size: 4, agrees: true },
      { address: 'quick', state: 'read', size: 12 },
    ]);
    expect(replicaRemarks(states, previous)[0]).toBe(
      'The replica at slow is behind: its checkpoint has 4 leaves, 10 were verified here before. As far as it goes it is the same log.',
    );
  });

  test('is waited for when no other answers', async () => {
    const previous = await checkpointOf(10);
    const [slow, quick] = [await replicaOf('slow', 4), await replicaOf('quick', 12)];
    quick.before = gone;
    let looks = 0;
    const catchUp = async (): Promise<void> => {
      if (++looks === 3) Object.assign(slow, { client: (await replicaOf('slow', 10)).client });
    };
    const { report } = await verify([slow, quick], previous, catchUp);
    expect(report).toMatchObject({ ok: true, leaves: 10 });
  });

  test('and never catches up is a finding that says it may be lag, and which replica is missing', async () => {
    const previous = await checkpointOf(10);
    const [slow, quick] = [await replicaOf('slow', 4), await replicaOf('quick', 12)];
    quick.before = gone;
    const { report, replicas } = await verify([slow, quick], previous);
    expect(report.findings).toMatchObject([{ kind: 'consistency', contradicts: previous }]);
    expect(replicaRemarks(replicas, previous).at(-1)).toMatch(/may lag behind quick: verify again/u);
  });

  test('like all others do is a log that was cut', async () => {
    const previous = await checkpointOf(10);
    const { report, replicas } = await verify([await replicaOf('a', 4), await replicaOf('b', 5)], previous);
    expect(report.findings).toMatchObject([{ kind: 'consistency', contradicts: previous }]);
    expect(replicaRemarks(replicas, previous).at(-1)).toMatch(/otherwise leaves were cut off/u);
  });
});

describe('the replicas that are not read', () => {
  test.each([
    { size: 4, about: 'of another history, and fewer leaves' },
    { size: 12, about: 'of another history, and as many' },
  ])('must have signed no other history: one $about', async ({ size }) => {
    const replicas = [await replicaOf('good', 12), await replicaOf('forked', size, 'forged')];
    const { report, replicas: states } = await verify(replicas);
    expect(report.findings).toMatchObject([{ kind: 'consistency', where: `leaves 0 to ${size}` }]);
    expect(states[1]).toMatchObject({ address: 'forked', agrees: false });
    expect(replicaRemarks(states, undefined).join('\n')).toContain('forked has a signed checkpoint that');
  });

  test('must have a checkpoint that verifies: the one that has not is read, and its line named', async () => {
    const [good, bad] = [await replicaOf('good', 12), await replicaOf('bad', 5)];
    const note = new TextDecoder().decode(await bad.store.read(CHECKPOINT_PATH));
    await bad.store.replace(CHECKPOINT_PATH, new TextEncoder().encode(note.replace('\n5\n', '\n4\n')));
    const { report, replicas } = await verify([good, bad]);
    expect(report.findings).toMatchObject([{ kind: 'checkpoint', line: 2 }]);
    expect(replicas[1]).toMatchObject({ address: 'bad', state: 'read' });
  });

  test('are heard when they found something themselves', async () => {
    const [a, b] = [await replicaOf('a', 3), await replicaOf('b', 3)];
    b.findings = ['the checkpoint file went back'];
    expect((await verify([a, b])).selfReported).toEqual(['b: the checkpoint file went back']);
  });
});

test('of a single replica nothing is remarked', async () => {
  const { replicas } = await verify([await replicaOf('only', 3)]);
  expect(replicas).toEqual([{ address: 'only', state: 'read', size: 3 }]);
  expect(replicaRemarks(replicas, undefined)).toEqual([]);
});

describe('any replica', () => {
  const replicas = ['a', 'b', 'c'].map((client) => ({ address: client, client }));

  test('is asked until one answers, and asked first the next time', async () => {
    const ask = anyReplica(replicas);
    const asked: string[] = [];
    const onlyB = async (client: string): Promise<string> => {
      asked.push(client);
      return client === 'b' ? client : await gone();
    };
    expect([await ask(onlyB), await ask(onlyB)]).toEqual(['b', 'b']);
    expect(asked).toEqual(['a', 'b', 'b']);
  });

  test('fails as the first did when none answers', async () => {
    const ask = anyReplica(replicas);
    const each = async (client: string): Promise<never> => {
      throw unavailable(`not ${client}`);
    };
    await expect(ask(each)).rejects.toThrow('not a');
  });

  test('that refuses has answered', async () => {
    const ask = anyReplica(replicas);
    const refuse = async (client: string): Promise<never> => {
      if (client !== 'a') throw new Error('asked another');
      throw notFound('There is no leaf 7.');
    };
    await expect(ask(refuse)).rejects.toMatchObject({ reason: 'not_found' });
  });
});
