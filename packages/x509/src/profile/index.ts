/** The profiles by name. */
import { MCP_CLIENT } from './mcp-client.ts';
import { RFC5280 } from './rfc5280.ts';
import { SVID } from './svid.ts';
import type { Profile, ProfileName } from './types.ts';
import { webpkiProfile } from './webpki.ts';

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  rfc5280: RFC5280,
  webpki: webpkiProfile(),
  svid: SVID,
  'mcp-client': MCP_CLIENT,
};
