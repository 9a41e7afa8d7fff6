/** CRLs for a hierarchy: of every CA a list, and then what can be wrong or unusual about lists. */
import {
  AT,
  authorityKeyIdentifier,
  cRLDistributionPoints,
  extension,
  freshestCRL,
  general,
  issuingDistributionPoint,
  keyUsage,
  makeCrl,
  makeKey,
  subjectKeyIdentifier,
  type CrlInput,
  type RevokedInput,
} from '../support/pki.ts';
import { draftOf, setExtension, type Draft, type Entity } from './draft.ts';
import type { Draw } from './draw.ts';
import type { Hierarchy } from './hierarchy.ts';
import { bend } from './tree.ts';

export interface Lists {
  readonly ders: readonly Uint8Array[];
  readonly story: readonly string[];
}

type MutableCrl = { -readonly [K in keyof CrlInput]: CrlInput[K] };
interface Sheet {
  readonly entity: Entity;
  readonly input: MutableCrl;
  mapWhole?: (der: Uint8Array) => Uint8Array;
}

const DAY = 86_400_000;
const at = (days: number): Date => new Date(AT.getTime() + days * DAY);

/** May add certificates and distribution points to the drafts: before these are built. */
export function growLists(hierarchy: Hierarchy, draw: Draw): Lists {
  const story: string[] = [];
  const sheets: Sheet[] = hierarchy.cas.map((entity) => ({ entity, input: usual(entity) }));
  for (let count = draw.below(3); count > 0; count -= 1) story.push(disturb(sheets, hierarchy, draw));
  const ders = sheets.map(({ input, mapWhole }) => (mapWhole ?? ((der) => der))(makeCrl(input)));
  return { ders, story: story.map((line) => `list of ${line}`) };
}

function usual({ subject, key }: Entity): MutableCrl {
  return {
    issuer: subject,
    signer: key,
    thisUpdate: at(-1),
    nextUpdate: at(6),
    crlNumber: 10,
    revoked: [{ serial: 99_999 }],
    extensions: [authorityKeyIdentifier({ keyIdentifier: key.keyIdentifier })],
  };
}

function disturb(sheets: Sheet[], hierarchy: Hierarchy, draw: Draw): string {
  const index = draw.below(sheets.length);
  const sheet = sheets[index];
  if (sheet === undefined) return 'nobody';
  const { entity, input } = sheet;
  const mine = hierarchy.drafts.filter(({ issuer }) => issuer === entity.subject);
  const victim = mine.length > 0 ? draw.pick(mine) : undefined;
  const revoke = (row: Partial<RevokedInput> = {}): RevokedInput[] => [
    { serial: 99_999 },
    ...(victim === undefined ? [] : [{ serial: victim.serial, at: at(-2), ...row }]),
  ];
  const more = (...ders: Uint8Array[]): void =>
    void (input.extensions = [...(input.extensions ?? []), ...ders]);
  const done = (what: string): string => `${entity.label}: ${what}`;
  switch (draw.below(22)) {
    case 0:
    case 1:
      input.revoked = revoke();
      return done(`${victim?.label} revoked`);
    case 2:
      input.revoked = revoke({
        reason: draw.pick(['certificateHold', 'removeFromCRL', 'keyCompromise', 'unspecified']),
      });
      return done(`${victim?.label} revoked with a reason`);
    case 3:
      sheets.splice(index, 1);
      return done('not there');
    case 4:
      input.nextUpdate = draw.pick([at(-0.5), AT, null]);
      return done('expired, ends now, or without nextUpdate');
    case 5:
      input.thisUpdate = draw.pick([at(1), AT, at(2 / 1440)]);
      return done('from the future, or now');
    case 6:
      input.signer = makeKey(entity.key.kind, 'differential forger');
      return done('signed by another key');
    case 7:
      more(extension('1.2.3.4', Uint8Array.of(5, 0), draw.chance(0.6)));
      return done('an unknown extension');
    case 8:
      input.revoked = revoke({
        extensions: [extension('1.2.3.4', Uint8Array.of(5, 0), draw.chance(0.6))],
        ...(draw.chance(0.5) ? { serial: 77_777 } : {}),
      });
      return done('an unknown extension in an entry');
    case 9:
      delete input.crlNumber;
      if (draw.chance(0.5)) [input.version, input.extensions] = [null, []];
      return done('no number');
    case 10:
      more(
        issuingDistributionPoint(
          draw.pick([
            { onlyContainsUserCerts: true },
            { onlyContainsCACerts: true },
            { onlyContainsAttributeCerts: true },
          ]),
        ),
      );
      if (draw.chance(0.5)) input.revoked = revoke();
      return done('for some certificates only');
    case 11: {
      const reasons = ['keyCompromise', 'cACompromise'] as const;
      const others = [
        'affiliationChanged',
        'superseded',
        'cessationOfOperation',
        'certificateHold',
        'privilegeWithdrawn',
        'aACompromise',
      ] as const;
      more(issuingDistributionPoint({ onlySomeReasons: reasons }));
      if (draw.chance(0.6)) {
        const rest = usual(entity);
        rest.extensions = [...(rest.extensions ?? []), issuingDistributionPoint({ onlySomeReasons: others })];
        if (draw.chance(0.3)) rest.revoked = revoke({ reason: 'superseded' });
        sheets.push({ entity, input: rest });
      }
      return done('for some reasons only');
    }
    case 12: {
      const names = [general.uri('http://crl.example/1')];
      for (const draft of mine)
        if (draw.chance(0.8))
          setExtension(
            draft,
            cRLDistributionPoints([
              { fullName: draw.chance(0.8) ? names : [general.uri('http://crl.example/2')] },
            ]),
          );
      if (draw.chance(0.8)) more(issuingDistributionPoint({ fullName: names }));
      return done('of a distribution point');
    }
    case 13:
    case 14:
    case 15: {
      const base = draw.pick([10, 10, 9, 11]);
      const number = draw.pick([11, 12, 10]);
      const delta: MutableCrl = {
        ...usual(entity),
        deltaOf: base,
        crlNumber: number,
        ...(draw.chance(0.5)
          ? { revoked: revoke({ reason: draw.pick(['keyCompromise', 'removeFromCRL']) }) }
          : {}),
      };
      if (draw.chance(0.2)) delta.extensions = [];
      if (draw.chance(0.2)) delta.nextUpdate = at(-0.5);
      if (draw.chance(0.15)) delta.signer = makeKey(entity.key.kind, 'differential forger');
      if (draw.chance(0.4)) input.revoked = revoke({ reason: 'certificateHold' });
      if (draw.chance(0.2)) input.nextUpdate = at(-0.5);
      for (const draft of mine) if (draw.chance(0.5)) setExtension(draft, freshest());
      if (draw.chance(0.5)) more(freshest());
      sheets.push({ entity, input: delta });
      return done(`a delta ${number} of ${base}`);
    }
    case 16:
    case 17: {
      const indirect: Entity = {
        label: 'list issuer',
        subject: [['CN', 'list issuer']],
        key: makeKey('P-256', 'differential list issuer'),
      };
      const by = draw.pick(hierarchy.cas);
      hierarchy.drafts.push(signer(indirect, by, draw));
      for (const draft of mine)
        if (draw.chance(0.8))
          setExtension(
            draft,
            cRLDistributionPoints([
              {
                ...(draw.chance(0.5) ? { fullName: [general.uri('http://crl.example/i')] } : {}),
                crlIssuer: [general.directory(indirect.subject)],
              },
            ]),
          );
      const list = usual(indirect);
      const revoked = draw.chance(0.5)
        ? revoke({
            certificateIssuer: [general.directory(draw.chance(0.8) ? entity.subject : indirect.subject)],
          })
        : [];
      list.revoked = revoked.length > 1 && revoked[1] !== undefined ? [revoked[1]] : [];
      list.extensions = [
        ...(list.extensions ?? []),
        ...(draw.chance(0.85)
          ? [
              issuingDistributionPoint({
                indirectCRL: true,
                ...(draw.chance(0.3) ? { fullName: [general.uri('http://crl.example/i')] } : {}),
              }),
            ]
          : []),
      ];
      sheets.push({ entity: indirect, input: list });
      if (draw.chance(0.7)) sheets.splice(index, 1);
      return done('an indirect list beside it');
    }
    case 18:
    case 19: {
      const key = makeKey('P-256', 'differential list key');
      const by = draw.chance(0.8) ? entity : draw.pick(hierarchy.cas);
      hierarchy.drafts.push(signer({ ...entity, label: `${entity.label} list key`, key }, by, draw));
      input.signer = key;
      input.extensions = draw.chance(0.8)
        ? [authorityKeyIdentifier({ keyIdentifier: key.keyIdentifier })]
        : [];
      if (draw.chance(0.3)) input.revoked = revoke();
      return done('signed by a key of its own');
    }
    case 20:
      input.mapFields = (whole) => bend(whole, draw).elements;
      return done('fields bent');
    default:
      sheet.mapWhole = (der) => bend([der], draw).elements[0] ?? der;
      return done('bent after it was signed');
  }
}

const freshest = (): Uint8Array => freshestCRL([{ fullName: [general.uri('http://crl.example/d')] }]);

function signer(of: Entity, by: Entity, draw: Draw): Draft {
  const usage = draw.pick(['cRLSign', 'cRLSign', 'cRLSign', 'digitalSignature'] as const);
  return draftOf('signer', of, by, 500 + draw.below(100), [
    keyUsage(usage),
    subjectKeyIdentifier(of.key.keyIdentifier),
    authorityKeyIdentifier({ keyIdentifier: by.key.keyIdentifier }),
  ]);
}
