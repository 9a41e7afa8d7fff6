/** When the process's own certificate runs out. It is read at the start: a file that was renewed counts from the next one. */
import { X509Certificate } from 'node:crypto';
import type { Identity } from '../identity/index.ts';
import type { Metrics } from '../metrics/index.ts';

const SECOND_MS = 1_000;

/** Of the leaf in use, whatever lies in its file by now. */
export function measureCertificate(metrics: Pick<Metrics, 'gauge'>, { certPem }: Identity): void {
  const expiresAt = new X509Certificate(certPem).validToDate.getTime() / SECOND_MS;
  metrics.gauge({
    name: 'certificate_expires_timestamp_seconds',
    help: 'When the certificate in use expires, in seconds since the epoch',
    collect: () => expiresAt,
  });
}
