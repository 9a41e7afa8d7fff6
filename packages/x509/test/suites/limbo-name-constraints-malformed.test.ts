/** Cases of x509-limbo `*::nc::*` that are malformed, and `pathological::nc-dos-*`, built anew. Ids are the suite's. */
import { extension, general, OID, subjectAltName, type NameInput } from '../support/pki.ts';
import { fromHex, writeExplicit, writeSequence } from '../support/der.ts';
import {
  asClient,
  both,
  byIntermediate,
  byRoot,
  LOOPBACK6,
  NC,
  permits,
  san,
  V4_NET,
} from './constrained.ts';
import type { Input } from './hierarchy.ts';
import { dns, suite } from './verdict.ts';

const subtree = (base: Uint8Array, ...fields: Uint8Array[]): Uint8Array => writeSequence(base, ...fields);
const rawConstraints = (...fields: Uint8Array[]): Input => ({
  more: [extension(OID.nameConstraints, writeSequence(...fields), true)],
});

suite('x509-limbo rfc5280::nc, malformed', [
  [
    'invalid-dnsname-wildcard',
    NC,
    () => byRoot(permits(general.dns('*.host.example')), san(general.dns('foo.host.example'))),
  ],
  [
    'invalid-dnsname-leading-period',
    NC,
    () => byRoot(permits(general.dns('.host.example')), san(general.dns('foo.host.example'))),
  ],
  [
    'invalid-ipv4-address',
    'malformed',
    () => byRoot(permits(general.ip(127, 0, 0, 1)), san(general.ip(127, 0, 0, 1))),
  ],
  [
    'invalid-ipv6-address',
    'malformed',
    () => byRoot(permits(general.ip(...LOOPBACK6)), san(general.ip(...LOOPBACK6))),
  ],
  [
    'a mask with a hole',
    NC,
    () => byRoot(permits(general.ip(192, 0, 2, 0, 255, 0, 255, 0)), san(general.ip(192, 0, 2, 1))),
  ],
  [
    'invalid-email-address',
    NC,
    () =>
      asClient(
        byRoot(permits(general.email('invalid@invalid@host.example')), {
          ...san(general.email('a@host.example')),
          eku: [OID.clientAuth],
        }),
      ),
  ],
  [
    'nc-permits-invalid-dns-san',
    NC,
    () =>
      byIntermediate(
        permits(general.dns('host.example')),
        san(general.dns('.host.example'), general.dns('foo.host.example')),
      ),
  ],
  [
    'nc-permits-invalid-ip-san',
    'malformed',
    () => byIntermediate(permits(V4_NET), san(V4_NET, general.ip(192, 0, 2, 1))),
  ],
  [
    'nc-permits-invalid-email-san',
    NC,
    () =>
      asClient(
        byIntermediate(permits(general.email('host.example')), {
          ...san(general.email('good@host.example'), general.email('invalid@address@host.example')),
          eku: null,
        }),
      ),
  ],
  [
    'webpki::nc::intermediate-permitted-excluded-subtrees-both-null',
    'no_path',
    () => byIntermediate(rawConstraints(), {}),
  ],
  [
    'webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences',
    'no_path',
    () => byIntermediate(rawConstraints(writeExplicit(0), writeExplicit(1)), {}),
  ],
  [
    'permitted-empty-sequence-excluded-nonempty',
    'no_path',
    () =>
      byIntermediate(
        rawConstraints(writeExplicit(0), writeExplicit(1, subtree(general.dns('bad.example')))),
        {},
      ),
  ],
  [
    'permitted-nonempty-excluded-empty-sequence',
    'no_path',
    () =>
      byIntermediate(
        rawConstraints(writeExplicit(0, subtree(general.dns('host.example'))), writeExplicit(1)),
        {},
      ),
  ],
  [
    'a minimum',
    NC,
    () =>
      byIntermediate(
        rawConstraints(writeExplicit(0, subtree(general.dns('host.example'), fromHex('800101')))),
        {},
      ),
  ],
  [
    'a maximum',
    NC,
    () =>
      byIntermediate(
        rawConstraints(writeExplicit(0, subtree(general.dns('host.example'), fromHex('810109')))),
        {},
      ),
  ],
  [
    'an explicit minimum of zero',
    'valid',
    () =>
      byIntermediate(
        rawConstraints(writeExplicit(0, subtree(general.dns('host.example'), fromHex('800100')))),
        {},
      ),
  ],
]);

const many = (count: number, name: (i: number) => string): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => general.dns(name(i)));

suite('x509-limbo pathological::nc-dos', [
  // 513 names held against 1,026 subtrees: more than the 100,000 comparisons that are allowed.
  [
    'nc-dos-1',
    'limit',
    () => {
      const ofRoot = both(
        [...many(513, (i) => `t${i}.test`), general.dns('test')],
        many(513, (i) => `x${i}.test`),
      );
      return byRoot(
        ofRoot,
        {
          subject: [],
          san: subjectAltName(
            many(513, (i) => `t${i}.test`),
            true,
          ),
        },
        [dns('t0.test')],
      );
    },
  ],
  [
    'the same, within the limits',
    'valid',
    () => {
      const ofRoot = both(
        many(100, (i) => `t${i}.test`),
        many(100, (i) => `x${i}.test`),
      );
      return byRoot(
        ofRoot,
        {
          subject: [],
          san: subjectAltName(
            many(100, (i) => `t${i}.test`),
            true,
          ),
        },
        [dns('t0.test')],
      );
    },
  ],
  [
    'many addresses in the subject',
    'limit',
    () => {
      const ofRoot = both(
        Array.from({ length: 513 }, (_, i) => general.email(`t${i}.test`)),
        Array.from({ length: 513 }, (_, i) => general.email(`x${i}.test`)),
      );
      const subject: NameInput = Array.from(
        { length: 513 },
        (_, i) => ['emailAddress', `a@t${i}.test`] as const,
      );
      return asClient(byRoot(ofRoot, { subject, san: null, eku: null }));
    },
  ],
]);
