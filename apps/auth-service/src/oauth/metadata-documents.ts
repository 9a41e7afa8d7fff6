/**
 * Where clients' metadata documents may be fetched from, beside the public web. A file of its own, with nothing but the
 * declaration: what describes a whole deployment reads it, too.
 */
import { list, optional, string } from '@sallyport/service/config';
import { trustRootsFile } from '@sallyport/service/process';

const HOST_NAME = /^[a-z0-9.-]{1,253}$|^[0-9a-f:]{2,39}$/u;

export const metadataDocumentFields = {
  /**
   * DANGER: whoever can reach the authorization endpoint makes auth-service send a GET to any port and path of these hosts,
   * though their addresses are private. Names, not URLs. Default: none.
   */
  allowPrivateMetadataHosts: list(string({ pattern: HOST_NAME }), { maxItems: 64 }),
  /** PEM of the authorities that the hosts of all metadata documents end in; absent: those of the public web. */
  metadataCaFile: optional(trustRootsFile()),
};
