import type { Profile, ProfileName } from './types.ts';

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  rfc5280: { name: 'rfc5280', defaultPurpose: 'any', rules: [] },
  webpki: { name: 'webpki', defaultPurpose: 'server', rules: [] },
  svid: { name: 'svid', defaultPurpose: 'any', rules: [] },
  'mcp-client': { name: 'mcp-client', defaultPurpose: 'client', rules: [] },
};
