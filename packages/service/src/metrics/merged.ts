/** Several services' series as one exposition, for a process that hosts them all. */
import type { Metrics } from './metrics.ts';

type Exposed = Pick<Metrics, 'exposition' | 'contentType'>;

/**
 * The families of all, in the order in which they are first met. A name that several have is one family, with the first's
 * help and everybody's samples (https://prometheus.io/docs/instrumenting/exposition_formats/: a name has one HELP, one
 * TYPE, and its samples together). The series differ by their label `service`.
 */
export function mergedMetrics(sources: Iterable<Exposed>): Pick<Exposed, 'exposition'> {
  return {
    async exposition() {
      const texts = await Promise.all(Array.from(sources, (source) => source.exposition()));
      const families = new Map<string, { head: string[]; samples: string[] }>();
      for (const text of texts) {
        let family: { head: string[]; samples: string[] } | undefined;
        let isFirst = false;
        for (const line of text.split('\n')) {
          if (line === '') continue;
          const name = /^# HELP (\S+)/u.exec(line)?.[1];
          if (name !== undefined) {
            family = families.get(name);
            isFirst = family === undefined;
            if (family === undefined) families.set(name, (family = { head: [], samples: [] }));
          }
          if (!line.startsWith('#')) family?.samples.push(line);
          else if (isFirst) family?.head.push(line);
        }
      }
      const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]);
      return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
    },
  };
}
