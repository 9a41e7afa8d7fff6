/** What a gateway must be told. Addresses are `host:port`; who answers there is proved by SPIFFE name. */
import type { HttpRouteConfig } from './routes/http.ts';

export type RouteConfig =
  | HttpRouteConfig
  /** Answers with what it was sent: for the embedded profile only. */
  | { readonly kind: 'echo' };

export type GatewayConfig = {
  readonly host: string;
  /** 0 takes a free port. */
  readonly httpsPort: number;
  readonly channelPort: number;
  readonly spoolDirectory: string;
  readonly authAddress: string;
  readonly keyAddress: string;
  readonly policyAddress: string;
  /** Holds the last good policy bundle. */
  readonly bundleDirectory: string;
  /** By destination. */
  readonly routes: Readonly<Record<string, RouteConfig>>;
};

/** Destinations are printable ASCII without blanks, at most 255 characters (docs/protocol.md section 7.1). */
export const DESTINATION = /^[\x21-\x7e]{1,255}$/u;
