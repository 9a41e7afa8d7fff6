/** Requests of one holder of a key-bound access token (RFC 9449), each with a proof of its own, to any gateway of a cluster. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  randomUUID,
  sign,
  type JsonWebKey,
} from 'node:crypto';
import { request as httpsRequest } from 'node:https';

export type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};

export type BoundCaller = {
  /** What comes in the `DPoP` header of one POST; another each time. */
  proof(port: number): string;
  /** POST to the gateway on this port, as a load balancer before it would send it: `Host` is the public one. */
  post(port: number, message: object, more?: Readonly<Record<string, string>>): Promise<Reply>;
};

export type BoundCallerOptions = {
  /** Public, as in the token's audience. */
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  /** The private key that the token is bound to, on P-256. */
  readonly key: JsonWebKey;
};

const TIMEOUT_MS = 10_000;

export function boundCaller({ url, ca, token, key: jwk }: BoundCallerOptions): BoundCaller {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = part({ typ: 'dpop+jwt', alg: 'ES256', jwk: createPublicKey(key).export({ format: 'jwk' }) });
  const ath = createHash('sha256').update(token).digest('base64url');
  /** By port: each gateway's own, once it has asked for one. */
  const nonces = new Map<number, string>();

  function proof(port: number): string {
    const nonce = nonces.get(port);
    const claims = { jti: randomUUID(), htm: 'POST', htu: url, iat: Math.floor(Date.now() / 1_000), ath };
    const signed = `${header}.${part(nonce === undefined ? claims : { ...claims, nonce })}`;
    // RFC 7518 section 3.4: both numbers one after the other, no DER.
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }

  function send(port: number, message: object, more: Readonly<Record<string, string>>): Promise<Reply> {
    const { host, hostname, pathname } = new URL(url);
    const headers = {
      ...{ host, authorization: `DPoP ${token}`, 'content-type': 'application/json' },
      ...{ accept: 'application/json, text/event-stream', dpop: proof(port) },
      ...more,
    };
    const to = { host: '127.0.0.1', servername: hostname, port, path: pathname, method: 'POST', ca };
    return new Promise((resolve, reject) => {
      const call = httpsRequest({ ...to, headers, agent: false, timeout: TIMEOUT_MS }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      });
      call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
      call.on('error', reject);
      call.end(JSON.stringify(message));
    });
  }

  return {
    proof,
    async post(port, message, more = {}) {
      const reply = await send(port, message, more);
      const nonce = reply.headers['dpop-nonce'];
      if (typeof nonce !== 'string' || more['dpop'] !== undefined) return reply;
      nonces.set(port, nonce);
      // RFC 9449 section 8: the same request again, its proof with the nonce.
      return reply.status === 401 ? send(port, message, more) : reply;
    },
  };
}
