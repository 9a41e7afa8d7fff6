/**
 * What gateways saw of tools. A tool that is new becomes policy: pinned, or known to wait. Another definition of a known
 * one is no policy: it is recorded as a finding and kept for whoever decides, and the pin stays.
 */
import { invalidArgument, tooLarge } from '@sallyport/service/errors';
import { limits } from '../domain/limits.ts';
import { parseInstanceName } from '../domain/names.ts';
import { planFoundTools } from '../domain/plan-tools.ts';
import { isDrift, toolKey, type Sighting, type ToolDigest, type ToolPinning } from '../domain/tool.ts';
import { parseSighting, type SightingInput } from './parse-sighting.ts';
import type { CheckRecorder, PolicyWriter, PublisherLog, ToolRecords } from './ports.ts';
import type { Publisher } from './publish.ts';
import { refusalError } from './write.ts';

export type Drift = {
  readonly sighting: Sighting;
  readonly pinned: ToolDigest | '';
  readonly instance: string;
  readonly atMs: number;
};

/** Resolves when the finding is durable. */
export type RecordDrift = (drift: Drift) => Promise<void>;

export type ObservePorts = {
  readonly writer: PolicyWriter;
  readonly tools: ToolRecords;
  readonly publisher: Pick<Publisher, 'wake'>;
  readonly checkRecorder: CheckRecorder;
  readonly recordDrift: RecordDrift;
  readonly pinning: ToolPinning;
  /** False: this tool changed so often lately that one change more says nothing new. */
  readonly mayDrift: (toolKey: string) => boolean;
  readonly onDrift: () => void;
  readonly log: Pick<PublisherLog, 'warn'>;
  readonly now: () => number;
};

/** Resolves with the newest stored revision: it has the pins that follow. Throws `SallyportError`. */
export async function observeTools(
  ports: ObservePorts,
  request: { readonly instance: string; readonly tools: readonly SightingInput[] },
): Promise<bigint> {
  const instance = parseInstanceName(request.instance, 'instance');
  if (!instance.ok) throw refusalError(instance.refusal);
  if (request.tools.length > limits.observedTools) {
    throw tooLarge(`At most ${limits.observedTools} tools are reported at once.`, { field: 'tools' });
  }
  const sightings = request.tools.map((tool, i) => {
    const parsed = parseSighting(tool, `tools[${i}]`);
    if (!parsed.ok) throw refusalError(parsed.refusal);
    return parsed.value;
  });
  if (new Set(sightings.map(toolKey)).size < sightings.length) {
    throw invalidArgument('A tool is reported twice; its definitions one after the other.', {
      field: 'tools',
    });
  }
  await ports.checkRecorder();
  const revision = await pinNew(ports, sightings, instance.value);
  await noteKnown(ports, sightings, instance.value);
  return revision;
}

async function pinNew(
  ports: ObservePorts,
  sightings: readonly Sighting[],
  instance: string,
): Promise<bigint> {
  const written = await ports.writer.update(
    (state) => planFoundTools(state, ports.pinning, sightings, instance),
    { actor: { kind: 'service' }, atMs: ports.now() },
  );
  switch (written.kind) {
    case 'refused':
      throw refusalError(written.refusal);
    case 'unchanged':
      return written.revision;
    case 'written':
      ports.publisher.wake();
      return written.state.revision;
  }
}

async function noteKnown(
  ports: ObservePorts,
  sightings: readonly Sighting[],
  instance: string,
): Promise<void> {
  const atMs = ports.now();
  const known = new Map((await ports.tools.find(sightings)).map((record) => [toolKey(record), record]));
  const unpinned = sightings.filter((sighting) => !known.has(toolKey(sighting)));
  if (unpinned.length > 0) {
    ports.log.warn('tools are not pinned: there are as many as are kept', {
      count: unpinned.length,
      routes: [...new Set(unpinned.map(({ route }) => route))].slice(0, 10),
    });
  }
  const noted: Sighting[] = [];
  for (const sighting of sightings) {
    const record = known.get(toolKey(sighting));
    if (record === undefined) continue;
    if (isDrift(record, sighting.digest)) {
      if (!ports.mayDrift(toolKey(sighting))) continue;
      // Before it is stored: a change that is stored is never reported again.
      await ports.recordDrift({ sighting, pinned: record.pinned, instance, atMs });
      ports.onDrift();
      ports.log.warn('a tool has another definition than before', {
        route: sighting.route,
        tool: sighting.tool,
        pinned: record.pinned,
        seen: sighting.digest,
        instance,
      });
    }
    noted.push(sighting);
  }
  if (noted.length > 0) await ports.tools.sight(noted, { instance, atMs });
}
