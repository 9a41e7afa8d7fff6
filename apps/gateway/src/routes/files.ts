/** Files that a route names, read when the configuration is: `--check-config` says what a start would stop at. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Complaint } from '@sallyport/service/config';
import { readPassword } from '@sallyport/service/process';
import type { RouteConfig } from './config.ts';
import { checkSecretFile } from './secret-header.ts';

const HINT = 'See "Routes" in the README of the gateway.';

/** Trust roots are looked at by the schema of their own. No complaint holds anything of a secret. */
export function routeFileProblems(route: RouteConfig): readonly Complaint[] {
  if (route.kind === 'echo') return [];
  if (route.kind === 'nats')
    return complaints(['nats', 'passwordFile'], () => void readPassword(route.nats.passwordFile));
  const { certFile, keyFile, credential } = route;
  return [
    ...(certFile === undefined || keyFile === undefined
      ? []
      : complaints(['certFile'], () => checkPair(certFile, keyFile))),
    ...(credential === undefined
      ? []
      : complaints(['credential', 'secretFile'], () => checkSecretFile(credential.secretFile))),
  ];
}

function checkPair(certFile: string, keyFile: string): void {
  let isPair: boolean;
  try {
    const certificate = new X509Certificate(readFileSync(certFile));
    isPair = certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile)));
  } catch (cause) {
    throw new TypeError('cannot be read as a PEM certificate with its key', { cause });
  }
  if (!isPair) throw new TypeError('is not of the key in keyFile');
}

function complaints(key: readonly string[], look: () => void): readonly Complaint[] {
  try {
    look();
    return [];
  } catch (error) {
    return [{ key, what: error instanceof TypeError ? error.message : 'cannot be used', hint: HINT }];
  }
}
