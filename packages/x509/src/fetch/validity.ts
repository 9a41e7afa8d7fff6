/** Until when what was fetched says of itself that it holds. */
import { certificatesOf } from './certificates.ts';
import { listOf, ocspOf } from './parsed-once.ts';
import type { FetchKind } from './port.ts';

/** Milliseconds since 1970; `Infinity` when it does not say; undefined when it is nothing of that kind. */
export function validUntilMs(kind: FetchKind, body: Uint8Array): number | undefined {
  switch (kind) {
    case 'certificate': {
      const certificates = certificatesOf(body);
      if (certificates.length === 0) return undefined;
      return Math.min(...certificates.map(({ validity }) => validity.notAfterMs));
    }
    case 'crl': {
      const parsed = listOf(body);
      return parsed.ok ? (parsed.value.nextUpdateMs ?? Infinity) : undefined;
    }
    case 'ocsp': {
      const parsed = ocspOf(body);
      if (!parsed.ok || parsed.value.responseStatus !== 'successful') return undefined;
      return Math.min(...parsed.value.responses.map(({ nextUpdateMs }) => nextUpdateMs ?? Infinity));
    }
  }
}
