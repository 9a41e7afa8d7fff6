import { compose } from './compose.ts';

process.exitCode = compose(process.argv.length);
