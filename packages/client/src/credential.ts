/** How a client proves who it is. */
import { createPrivateKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { derivePskKey, type ClientCredential } from '@sallyport/channel';

export type Credential =
  | {
      readonly kind: 'certificate';
      /** PEM, leaf first. Its key must be Ed25519. */
      readonly certPem: string;
      /** The leaf's private key: a `KeyObject`, or PKCS#8 PEM. */
      readonly key: KeyObject | string;
    }
  | {
      readonly kind: 'psk';
      /** 16 bytes. */
      readonly pskId: Uint8Array;
      /** 32 bytes, made by the system. */
      readonly psk: Uint8Array;
      /** Whom it belongs to, e.g. `workload:batch`. */
      readonly principal: string;
    };

/** Throws `TypeError` or `RangeError`, without any key material in the message, for a credential that cannot be one. */
export function clientCredential(credential: Credential, trustDomain: string): ClientCredential {
  if (credential.kind === 'psk') {
    const { psk, pskId, principal } = credential;
    return { method: 'psk', pskId, pskKey: derivePskKey({ psk, pskId, client: principal, trustDomain }) };
  }
  const blocks =
    credential.certPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu) ?? [];
  const chain = blocks.map((block) => new X509Certificate(block));
  const [leaf] = chain;
  if (leaf === undefined) throw new TypeError('the credential holds no PEM certificate');
  const key = typeof credential.key === 'string' ? privateKeyOf(credential.key) : credential.key;
  if (!leaf.checkPrivateKey(key)) throw new TypeError("the private key is not the certificate's");
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new TypeError(`the channel signs with Ed25519; the certificate's key is ${key.asymmetricKeyType}`);
  }
  return {
    method: 'certificate',
    chainDer: chain.map(({ raw }) => Uint8Array.from(raw)),
    sign: (message) => Uint8Array.from(sign(null, message, key)),
  };
}

function privateKeyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's own message can quote what it read.
    throw new TypeError('the private key is not PKCS#8 PEM');
  }
}
