import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outcomeOf, type Gate } from '../gate.ts';

const CEILING = 500;
const WRITTEN = /\.(ts|mjs|js|proto|rego|sh)$|^\.ci\/run$|^scripts\/dev-tools$/;
const EXEMPT = /^packages\/proto\/src\/gen\/|^scripts\/verify-fixtures\//;

/** No file that people write is longer than 500 lines. */
export const fileSize: Gate = {
  name: 'file-size',
  async check({ root, files }) {
    const written = files.filter((file) => WRITTEN.test(file) && !EXEMPT.test(file));
    const problems = written.flatMap((file) => {
      const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1;
      return lines > CEILING ? [`${file}: ${lines} lines`] : [];
    });
    return outcomeOf(
      problems,
      `${written.length} files`,
      `cut files of more than ${CEILING} lines by concept`,
    );
  },
  selfTest: { expected: [/packages\/crypto\/src\/long\.ts: 501 lines/] },
};
