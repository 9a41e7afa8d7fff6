/** Cases of x509-limbo `rfc5280::nc::*` and `cve::cve-2025-61727*`, built anew. Ids are the suite's. */
import { general, makeKey, nameConstraints, OID, type Issued, type NameInput } from '../support/pki.ts';
import { writeNull } from '../support/der.ts';
import {
  asClient,
  both,
  byIntermediate,
  byRoot,
  excludes,
  LOOPBACK6,
  LOOPBACK6_NET,
  NC,
  permits,
  san,
  V4_NET,
} from './constrained.ts';
import { intermediate, leaf, root, type Input } from './hierarchy.ts';
import { dns, email, ip, suite, type Built } from './verdict.ts';

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

const FOO: NameInput = 'foo';
const other = general.other('1.3.6.1.4.1.55738.666.3', writeNull());

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
