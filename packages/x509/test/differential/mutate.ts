/** One thing about a certificate made wrong, or merely unusual. Which it is, is drawn; it is signed afterwards, mostly. */
import {
  generalizedTime,
  printableString,
  utcTime,
  utf8String,
  writeInteger,
  writeNull,
  writeOid,
  writeSequence,
} from '../support/der.ts';
import {
  AT,
  OID,
  SCHEMES,
  basicConstraints,
  extension,
  keyUsage,
  makeKey,
  schemeOf,
  type SchemeName,
} from '../support/pki.ts';
import { indexOf, partsOf, setExtension, withCritical, type Draft } from './draft.ts';
import type { Draw } from './draw.ts';
import { bend } from './tree.ts';

/** Says what it did. */
type Mutation = (draft: Draft, draw: Draw, all: readonly Draft[]) => string;

/** What was bent last: known when the certificate is built. */
let story = '';

const later = (seconds: number): Date => new Date(AT.getTime() + seconds * 1_000);

const validity: Mutation = (draft, draw) => {
  switch (draw.below(6)) {
    case 0:
      draft.notAfter = later(-1);
      return 'ended a second ago';
    case 1:
      draft.notBefore = later(1);
      return 'begins in a second';
    case 2:
      [draft.notBefore, draft.notAfter] = [AT, AT];
      return 'begins and ends now';
    case 3:
      [draft.notBefore, draft.notAfter] = [later(86_400), later(-86_400)];
      return 'ends before it begins';
    case 4:
      draft.notAfter = draw.pick([generalizedTime(later(86_400)), utcTime(new Date('2051-01-01'))]);
      return 'a year in the other form of time';
    default:
      draft.notAfter = new Date('9999-12-31T23:59:59Z');
      return 'ends never';
  }
};

const WEAK_SCHEMES: Readonly<Record<string, readonly SchemeName[]>> = {
  P: ['ecdsa-sha1', 'ecdsa-sha512', 'ecdsa-sha256'],
  R: ['rsa-sha1', 'rsa-md5', 'rsa-sha512', 'rsa-pss-sha256', 'rsa-pss-sha384'],
};
const scheme: Mutation = (draft, draw) => {
  const schemes = WEAK_SCHEMES[draft.signer.kind.slice(0, 1)];
  if (schemes === undefined) return signature(draft, draw, []);
  draft.scheme = draw.pick(schemes);
  return `signed by ${draft.scheme}`;
};

const signature: Mutation = (draft, draw) => {
  switch (draw.below(6)) {
    case 0:
      draft.signer = makeKey(draft.signer.kind, 'differential forger');
      return 'signed by another key of the kind';
    case 1:
      draft.outerAlgorithm = draw.pick(Object.values(SCHEMES)).algorithm;
      return 'any algorithm outside';
    case 2:
      draft.innerAlgorithm = draw.pick(Object.values(SCHEMES)).algorithm;
      return 'any algorithm inside';
    case 3: {
      const any = draw.pick(Object.values(SCHEMES)).algorithm;
      [draft.innerAlgorithm, draft.outerAlgorithm] = [any, any];
      return 'any algorithm inside and outside';
    }
    case 4:
      draft.signatureValue = new Uint8Array(draw.pick([0, 1, 64, 256]));
      return 'zeros for a signature';
    default: {
      const own = schemeOf(draft.signer, draft.scheme).algorithm;
      const spoilt = writeSequence(
        own.subarray(2, 2 + (own[3] ?? 0) + 2),
        draw.pick([writeNull(), writeOid('1.2.3')]),
      );
      [draft.innerAlgorithm, draft.outerAlgorithm] = [spoilt, spoilt];
      return 'other parameters of the algorithm';
    }
  }
};

/** The same attributes in another spelling; section 7.1 says which are the same name. */
const respelt = (subject: Draft['subject'], draw: Draw): Draft['subject'] =>
  Array.isArray(subject)
    ? (subject as readonly (readonly [string, string])[]).map(([type, value]) => {
        const change = draw.pick<(text: string) => string | Uint8Array>([
          (text) => text.toUpperCase(),
          (text) => ` ${text.replace(' ', '  ')} `,
          (text) => printableString(text),
          (text) => utf8String(text),
          (text) => `${text}\u{00ad}`,
        ]);
        return [type, type === 'emailAddress' ? value : change(value)] as const;
      })
    : subject;

const names: Mutation = (draft, draw, all) => {
  switch (draw.below(5)) {
    case 0:
      draft.issuer = respelt(draft.issuer, draw);
      return 'the issuer in another spelling';
    case 1:
      draft.subject = respelt(draft.subject, draw);
      return 'the subject in another spelling';
    case 2:
      draft.issuer = draw.pick(all).subject;
      return 'anybody as its issuer';
    case 3:
      draft.subject = draw.chance(0.5) ? draft.issuer : draw.pick(all).subject;
      return 'the subject of anybody';
    default:
      if (draw.chance(0.5)) draft.subject = [];
      else draft.issuer = [];
      return 'an empty subject or issuer';
  }
};

const fields: Mutation = (draft, draw) => {
  switch (draw.below(6)) {
    case 0:
      draft.serial = draw.pick([0, -1, 2n ** 159n - 1n, 2n ** 160n, writeInteger(Uint8Array.of(0, 5))]);
      return 'an unusual serial number';
    case 1:
      draft.version = draw.pick([1, 2, 3] as const);
      return `version ${draft.version}`;
    case 2:
      draft.key = makeKey(
        draw.pick(['P-256', 'RSA-1024', 'secp256k1', 'Ed25519', 'Ed448'] as const),
        'differential other',
      );
      return `a ${draft.key.kind} key that nobody knows`;
    case 3:
      draft.subjectUniqueId = Uint8Array.of(1);
      return 'a unique identifier';
    default:
      draft.mapFields = (whole) => {
        const bent = bend(whole, draw);
        story = bent.story;
        return bent.elements;
      };
      return 'fields bent';
  }
};
const extensions: Mutation = (draft, draw) => {
  const at = draw.below(draft.extensions.length || 1);
  const chosen = draft.extensions[at];
  if (chosen === undefined) return fields(draft, draw, []);
  const { oid, critical } = partsOf(chosen);
  switch (draw.below(8)) {
    case 0:
    case 1:
      draft.extensions[at] = withCritical(chosen, !critical);
      return `extension ${oid} ${critical ? 'not ' : ''}critical`;
    case 2:
    case 3:
      draft.extensions.splice(at, 1);
      return `extension ${oid} removed`;
    case 4:
      draft.extensions.push(draw.chance(0.5) ? chosen : extension(oid, Uint8Array.of(0x30, 0), critical));
      return `extension ${oid} twice`;
    case 5:
      draft.extensions.reverse();
      return 'extensions in reverse order';
    case 6: {
      const isCritical = draw.chance(0.7);
      const unknown = draw.pick([
        '1.2.3.4.6',
        '2.5.29.16',
        '2.5.29.18',
        '2.5.29.9',
        OID.freshestCRL,
        '2.16.840.1.113730.1.1',
        '1.3.6.1.5.5.7.1.24',
      ]);
      setExtension(
        draft,
        extension(
          unknown,
          draw.pick([Uint8Array.of(5, 0), Uint8Array.of(3, 2, 0, 4), Uint8Array.of(0x30, 0)]),
          isCritical,
        ),
      );
      return `an extension ${unknown}${isCritical ? ', critical' : ''}`;
    }
    default:
      draft.extensions[at] = extension(oid, bendValue(partsOf(chosen).value, draw), critical);
      return `the value of extension ${oid}: ${story}`;
  }
};

function bendValue(value: Uint8Array, draw: Draw): Uint8Array {
  const bent = bend([value], draw);
  story = bent.story;
  return bent.elements[0] ?? new Uint8Array(0);
}

const authority: Mutation = (draft, draw) => {
  switch (draw.below(5)) {
    case 0:
      setExtension(draft, basicConstraints(draft.role === 'leaf'));
      return 'the other one of CA and no CA';
    case 1:
      setExtension(draft, basicConstraints(draw.chance(0.8), draw.below(3)));
      return 'a path length';
    case 2:
      setExtension(
        draft,
        keyUsage(
          ...draw.several(['digitalSignature', 'cRLSign', 'keyCertSign', 'keyAgreement'] as const, 0, 2),
        ),
      );
      return 'any key usage';
    case 3: {
      const at = indexOf(draft, OID.basicConstraints);
      if (at >= 0) draft.extensions.splice(at, 1);
      return 'no basicConstraints';
    }
    default:
      draft.extensions = [];
      return 'no extensions';
  }
};

/** The whole certificate, so that the signature no longer is one of what it stands under. */
const unsigned: Mutation = (draft, draw) => {
  draft.mapWhole = (der) => {
    const bent = bend([der], draw);
    story = bent.story;
    return bent.elements[0] ?? der;
  };
  return 'bent after it was signed';
};

const MUTATIONS: readonly Mutation[] = [
  validity,
  scheme,
  signature,
  names,
  fields,
  fields,
  extensions,
  extensions,
  extensions,
  authority,
  unsigned,
];

export function mutate(draft: Draft, draw: Draw, all: readonly Draft[]): string {
  return `${draft.role} ${draft.label}: ${draw.pick(MUTATIONS)(draft, draw, all)}`;
}
