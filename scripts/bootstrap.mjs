// Entry of `npm run setup`, `npm start` and `npm test` on a bare checkout: any Node from 20 on, no dependencies.
// This file keeps to syntax that much older versions parse, so that they too get a sentence and not a stack trace.
const MINIMUM_NODE_MAJOR = 20;

const major = Number(process.versions.node.split('.')[0]);
if (major < MINIMUM_NODE_MAJOR) {
  process.stderr.write(
    `Sallyport needs Node.js ${MINIMUM_NODE_MAJOR} or newer to start; this is ${process.versions.node} (${process.execPath}).\n` +
      'Install a newer one (https://nodejs.org, or your distribution), then run the same command again.\n' +
      'The exact version Sallyport itself runs on is then installed into node_modules, not into your system.\n',
  );
  process.exitCode = 1;
} else {
  void import('./bootstrap/main.mjs').then(({ main }) => main(process.argv.slice(2)));
}
