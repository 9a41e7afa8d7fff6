/** A configuration with the sections that every service has; no server needs to be where it says. */
export { serviceFiles, TRUST_DOMAIN, type ServiceFiles } from '../../src/testing/index.ts';
import { TRUST_DOMAIN } from '../../src/testing/index.ts';

export const YAML = [
  'identity:',
  '  certFile: tls/service.pem',
  '  keyFile: tls/service.key',
  '  caFile: tls/ca.pem',
  `  trustDomain: ${TRUST_DOMAIN}`,
  'nats:',
  '  servers: ["127.0.0.1:1"]',
  '  user: somebody',
  '  passwordFile: secrets/nats',
  '  caFile: tls/backends.pem',
  '',
].join('\n');
