/** For connections that doctor makes: what they say, the verdict says. */
import type { Log } from '@sallyport/service/log';

const nothing = (): void => undefined;

export const silentLog: Log = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
  child: () => silentLog,
};
