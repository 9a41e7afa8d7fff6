import { join } from 'node:path';
import type { Gate } from '../gate.ts';
import { run } from '../run.ts';

/** The committed policy bundle fits its Rego sources; with `opa` at hand it is compiled again and its tests run. */
export const policy: Gate = {
  name: 'policy',
  async check({ root, bin }) {
    const { code, output } = await run(join(bin, 'node'), ['policies/build.ts', 'check'], { cwd: root, bin });
    if (code !== 0) return { ok: false, summary: 'see below', output };
    return { ok: true, summary: output.trim().split('\n').pop() ?? '' };
  },
  selfTest: { expected: [/policies: /], needs: ['policies', 'scripts/dev-tools'] },
};
