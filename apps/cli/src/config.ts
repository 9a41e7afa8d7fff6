/** The configuration of the embedded profile: `sallyport.yaml`. Everything has a default; unknown keys are errors. */
import { bytes, duration, object, oneOf, optional, record, url, type Infer } from '@sallyport/service/config';

const route = object({
  /** Requests are POSTed here. */
  url: url({ protocols: ['http', 'https'] }),
  timeout: duration({ default: 10_000, min: 1, max: 300_000 }),
  maxResponse: bytes({ default: 64 * 1024, min: 1, max: 1024 * 1024 }),
});

export const embeddedConfig = object({
  log: object({
    level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'], { default: 'warn' }),
  }),
  telemetry: object({
    /** An OTLP/HTTP collector's trace endpoint; without it no spans leave the process. */
    otlpUrl: optional(url({ protocols: ['http', 'https'] })),
  }),
  /** Destinations beside the built-in `echo`. */
  routes: record(route, { keyPattern: /^(?!echo$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/ }),
});

export type EmbeddedConfig = Infer<typeof embeddedConfig>;
