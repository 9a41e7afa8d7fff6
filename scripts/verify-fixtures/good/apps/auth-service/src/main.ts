import { compose } from './compose.ts';

process.exitCode = compose();
