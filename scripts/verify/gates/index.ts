/** The gates in the order they run: quick and local first, the working tree last. */
import type { Gate } from '../gate.ts';
import { boundaries } from './boundaries.ts';
import { cleanTree } from './clean-tree.ts';
import { deadCode } from './dead-code.ts';
import { fileSize } from './file-size.ts';
import { format } from './format.ts';
import { leaks } from './leaks.ts';
import { lint } from './lint.ts';
import { packageFiles } from './package-files.ts';
import { policy } from './policy.ts';
import { generated, protoBreaking, protoLint } from './protos.ts';
import { types } from './types.ts';

export const CLEAN_TREE = cleanTree.name;

export const gates: readonly Gate[] = [
  packageFiles,
  fileSize,
  leaks,
  format,
  lint,
  types,
  boundaries,
  deadCode,
  protoLint,
  protoBreaking,
  generated,
  policy,
  cleanTree,
];
