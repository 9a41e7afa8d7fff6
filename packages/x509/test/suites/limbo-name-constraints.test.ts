/** Cases of x509-limbo `rfc5280::nc::*`, built anew. Ids are the suite's. */
import {
  extension,
  general,
  nameConstraints,
  subjectAltName,
  makeKey,
  OID,
  type Issued,
  type NameInput,
} from '../support/pki.ts';
import { fromHex, writeExplicit, writeNull, writeSequence } from '../support/der.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { dns, email, ip, suite, type Built } from './verdict.ts';

const NC = 'name_constraints';
const permits = (...permitted: Uint8Array[]): Input => ({ more: [nameConstraints({ permitted })] });
const excludes = (...excluded: Uint8Array[]): Input => ({ more: [nameConstraints({ excluded })] });
const both = (permitted: Uint8Array[], excluded: Uint8Array[]): Input => ({
  more: [nameConstraints({ permitted, excluded })],
});
const san = (...names: Uint8Array[]): Input => ({ san: names });

/** The root, or an intermediate, is constrained; the leaf has the names and is asked for them by the test. */
const byRoot = (ofRoot: Input, ofLeaf: Input, names: Built['names'] = []): Built => {
  const anchor = root(ofRoot);
  return { anchors: [anchor], leaf: leaf(anchor, ofLeaf), names };
};
const byIntermediate = (ofIntermediate: Input, ofLeaf: Input, names: Built['names'] = []): Built => {
  const anchor = root();
  const ca = intermediate(anchor, ofIntermediate);
  return { anchors: [anchor], intermediates: [ca], leaf: leaf(ca, ofLeaf), names };
};
const chain = (inputs: readonly Input[], ofLeaf: Input): Built => {
  const [ofRoot = {}, ...below] = inputs;
  const anchor = root(ofRoot);
  const intermediates: Issued[] = [];
  for (const [i, input] of below.entries())
    intermediates.push(
      intermediate(intermediates.at(-1) ?? anchor, { subject: `intermediate ${i}`, ...input }),
    );
  return { anchors: [anchor], intermediates, leaf: leaf(intermediates.at(-1) ?? anchor, ofLeaf) };
};

const V4_NET = general.ip(192, 0, 2, 0, 255, 255, 255, 0);
const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);
const LOOPBACK6 = [...zeros(15), 1];
const LOOPBACK6_NET = general.ip(...LOOPBACK6, ...zeros(16).map(() => 255));
const FOO: NameInput = 'foo';
const other = general.other('1.3.6.1.4.1.55738.666.3', writeNull());
const asClient = (built: Built): Built => ({ ...built, purpose: 'any' });

suite('x509-limbo rfc5280::nc, one form each', [
  [
    'permitted-dns-mismatch',
    NC,
    () => byRoot(permits(general.dns('host.example')), san(general.dns('not-host.example'))),
  ],
  [
    'excluded-dns-match',
    NC,
    () => byIntermediate(excludes(general.dns('host.example')), {}, [dns('host.example')]),
  ],
  [
    'permitted-dns-match',
    'valid',
    () => byRoot(permits(general.dns('host.example')), {}, [dns('host.example')]),
  ],
  [
    'permitted-dns-match-noncritical',
    'profile: RFC 5280 section 4.2.1.10',
    () => byRoot({ more: [nameConstraints({ permitted: [general.dns('host.example')] }, false)] }, {}),
  ],
  [
    'permitted-dns-match-more',
    'valid',
    () =>
      byRoot(permits(general.dns('host.example')), san(general.dns('foo.bar.host.example')), [
        dns('foo.bar.host.example'),
      ]),
  ],
  [
    'excluded-dns-match-second',
    NC,
    () =>
      byRoot(
        excludes(general.dns('bad.host.example')),
        san(general.dns('host.example'), general.dns('bad.host.example')),
        [dns('host.example')],
      ),
  ],
  [
    'permitted-ip-mismatch',
    NC,
    () => byRoot(permits(V4_NET), san(general.ip(192, 0, 3, 1)), [ip('192.0.3.1')]),
  ],
  [
    'permitted-ipv4-match',
    'valid',
    () => byRoot(permits(V4_NET), san(general.ip(192, 0, 2, 1)), [ip('192.0.2.1')]),
  ],
  [
    'excluded-ipv4-match',
    NC,
    () => byRoot(excludes(V4_NET), san(general.ip(192, 0, 2, 1)), [ip('192.0.2.1')]),
  ],
  [
    'permitted-ipv6-match',
    'valid',
    () => byRoot(permits(LOOPBACK6_NET), san(general.ip(...LOOPBACK6)), [ip('::1')]),
  ],
  [
    'excluded-ipv6-match',
    NC,
    () => byRoot(excludes(LOOPBACK6_NET), san(general.ip(...LOOPBACK6)), [ip('::1')]),
  ],
  [
    'permitted-dn-mismatch',
    NC,
    () =>
      byRoot(permits(general.directory(FOO)), { subject: 'not-foo', san: [general.directory('not-foo')] }),
  ],
  [
    'permitted-dn-match',
    'valid',
    () => byRoot(permits(general.directory(FOO)), { subject: FOO, san: [general.directory(FOO)] }),
  ],
  [
    'excluded-dn-match',
    NC,
    () => byRoot(excludes(general.directory(FOO)), { subject: FOO, san: [general.directory(FOO)] }),
  ],
  [
    'permitted-dn-match-subject-san-mismatch',
    NC,
    () => byRoot(permits(general.directory(FOO)), { subject: 'not-foo', san: [general.directory(FOO)] }),
  ],
  [
    'excluded-dn-match-sub-mismatch',
    NC,
    () => byRoot(excludes(general.directory(FOO)), { subject: FOO, san: [general.directory('not-foo')] }),
  ],
  [
    'nc-permits-email-exact',
    'valid',
    () =>
      asClient(
        byIntermediate(
          permits(general.email('foo@host.example')),
          { ...san(general.email('foo@host.example')), eku: [OID.clientAuth] },
          [email('foo@host.example')],
        ),
      ),
  ],
  [
    'nc-permits-email-domain',
    'valid',
    () =>
      asClient(
        byIntermediate(
          permits(general.email('host.example')),
          { ...san(general.email('foo@host.example')), eku: [OID.clientAuth] },
          [email('foo@host.example')],
        ),
      ),
  ],
  [
    'an e-mail of another host',
    NC,
    () =>
      asClient(
        byIntermediate(permits(general.email('host.example')), {
          ...san(general.email('foo@other.example')),
          eku: null,
        }),
      ),
  ],
  [
    'a URI within',
    'valid',
    () => byIntermediate(permits(general.uri('.example')), san(general.uri('spiffe://host.example/a'))),
  ],
  [
    'a URI elsewhere',
    NC,
    () => byIntermediate(permits(general.uri('.example')), san(general.uri('spiffe://example.org/a'))),
  ],
  [
    'a URI with an address',
    NC,
    () => byIntermediate(excludes(general.uri('.example')), san(general.uri('https://192.0.2.1/'))),
  ],
  [
    'nc-forbids-othername',
    NC,
    () =>
      byIntermediate(both([general.dns('host.example')], [other]), san(general.dns('host.example'), other)),
  ],
  [
    'nc-forbids-othername-noop',
    'valid',
    () => byIntermediate(both([general.dns('host.example')], [other]), {}, [dns('host.example')]),
  ],
]);

suite('x509-limbo rfc5280::nc, kinds together', [
  [
    'excluded-match-permitted-and-excluded',
    NC,
    () => byRoot(both([general.dns('host.example')], [general.dns('host.example')]), {}),
  ],
  ['permitted-different-constraint-type', 'valid', () => byRoot(permits(V4_NET), {}, [dns('host.example')])],
  ['excluded-different-constraint-type', 'valid', () => byRoot(excludes(V4_NET), {}, [dns('host.example')])],
  [
    'permitted-self-issued',
    'valid',
    () => {
      const names = { subject: 'not-host.example', san: [general.dns('not-host.example')] };
      const anchor = root({ ...names, ...permits(general.dns('host.example')) });
      const ca = intermediate(anchor, names);
      return { anchors: [anchor], intermediates: [ca], leaf: leaf(ca), names: [dns('host.example')] };
    },
  ],
  [
    'excluded-self-issued-leaf',
    NC,
    () => {
      const names = { subject: 'not-host.example', san: [general.dns('not-host.example')] };
      const anchor = root(permits(general.dns('host.example')));
      const ca = intermediate(anchor, names);
      return {
        anchors: [anchor],
        intermediates: [ca],
        leaf: leaf(ca, names),
        names: [dns('not-host.example')],
      };
    },
  ],
  [
    'a self-issued leaf below a self-issued intermediate',
    NC,
    () => {
      const names = { subject: 'not-host.example', san: [general.dns('not-host.example')] };
      const anchor = root({ ...names, ...permits(general.dns('host.example')) });
      const ca = intermediate(anchor, names);
      return { anchors: [anchor], intermediates: [ca], leaf: leaf(ca, names) };
    },
  ],
  [
    'intermediate-with-san-rejected-by-intermediate-nc',
    NC,
    () =>
      chain(
        [
          {},
          both([general.dns('good.example')], [general.dns('bad.example')]),
          san(general.dns('bad.example')),
        ],
        san(general.dns('good.example')),
      ),
  ],
  [
    'intermediate-with-san-rejected-by-root-nc',
    NC,
    () =>
      chain(
        [
          both([general.dns('good.example')], [general.dns('bad.example')]),
          {},
          san(general.dns('bad.example')),
        ],
        san(general.dns('good.example')),
      ),
  ],
  [
    'restrictive-permits-in-intermediates-narrows',
    NC,
    () =>
      chain(
        [
          {},
          permits(general.dns('foo.example'), general.dns('bar.example')),
          permits(general.dns('bar.example')),
        ],
        san(general.dns('foo.example')),
      ),
  ],
  [
    'restrictive-permits-in-intermediates-widens',
    NC,
    () =>
      chain(
        [
          {},
          permits(general.dns('bar.example')),
          permits(general.dns('foo.example'), general.dns('bar.example')),
        ],
        san(general.dns('foo.example')),
      ),
  ],
  [
    'both permit',
    'valid',
    () =>
      chain(
        [
          {},
          permits(general.dns('foo.example'), general.dns('bar.example')),
          permits(general.dns('bar.example')),
        ],
        san(general.dns('bar.example')),
      ),
  ],
  [
    'nc-forbids-alternate-chain-ica',
    'valid',
    () => {
      const [discarded, anchor] = [root({ key: makeKey('P-256', 'discarded') }), root()];
      const a = intermediate(anchor, {
        subject: 'a',
        ...both([general.dns('good.example')], [general.dns('bad.example')]),
      });
      const key = makeKey('P-256', 'shared');
      const b1 = intermediate(discarded, { subject: 'b', key, san: [general.dns('bad.example')] });
      const b2 = intermediate(a, { subject: 'b', key });
      return {
        anchors: [anchor],
        intermediates: [a, b1, b2],
        leaf: leaf(b1, san(general.dns('good.example'))),
        names: [dns('good.example')],
      };
    },
  ],
  [
    'nc-forbids-same-chain-ica',
    'valid',
    () => {
      const [rootA, rootB] = [
        root({ subject: 'root', key: makeKey('P-256', 'root a') }),
        root({ subject: 'root', key: makeKey('P-256', 'root b') }),
      ];
      const a = intermediate(rootA, { subject: 'a', ...excludes(general.dns('bad.example')) });
      const key = makeKey('P-256', 'shared');
      const b1 = intermediate(a, { subject: 'b', key, san: [general.dns('bad.example')] });
      const b2 = intermediate(rootB, { subject: 'b', key, san: [general.dns('free.example')] });
      return {
        anchors: [rootA, rootB],
        intermediates: [a, b1, b2],
        leaf: leaf(b1, san(general.dns('good.example'))),
        names: [dns('good.example')],
      };
    },
  ],
  [
    'cve::cve-2025-61727',
    NC,
    () =>
      byIntermediate(
        both([general.dns('host.example')], [general.dns('bar.host.example')]),
        san(general.dns('*.host.example')),
        [dns('bar.host.example')],
      ),
  ],
  [
    'cve::cve-2025-61727-nc-permits-variant',
    NC,
    () =>
      byIntermediate(permits(general.dns('foo.host.example')), san(general.dns('*.host.example')), [
        dns('foo.host.example'),
      ]),
  ],
  [
    'a wildcard within',
    'valid',
    () =>
      byIntermediate(permits(general.dns('host.example')), san(general.dns('*.host.example')), [
        dns('foo.host.example'),
      ]),
  ],
]);

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
