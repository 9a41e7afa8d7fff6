import { concatBytes, fromUtf8, utf8 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accountChangeEvent,
  apiActivityEvent,
  authenticationEvent,
  authorizeSessionEvent,
  detectionFindingEvent,
  entityManagementEvent,
  sequenceGapEvent,
} from './builders.ts';
import { decodeEvent, encodeEvent } from './codec.ts';
import type { AuditEvent } from './event.ts';
import { frameEvent, rejectedFramesEvent } from './frames.ts';
import type { FrameDecisionInput, MessageDecision, MessageOutcome } from './frames.ts';
import { MAX_EVENT_BYTES } from './limits.ts';
import { boundedTarget } from './operation.ts';
import type { EventContext } from './parts.ts';
import { recordsOf, recordsOfBody } from './records.ts';

const context: EventContext = {
  id: '0190-1',
  timeMs: 1_800_000_000_123,
  source: 'spiffe://sallyport.local/svc/gateway',
  tenant: 'default',
};
const peer = { ip: '127.0.0.1', port: 50_000 };
const sessionId = 'ab'.repeat(16);
const admin = { kind: 'principal', id: 'user:admin' } as const;

const decided: MessageDecision = {
  seq: 12n,
  correlation: '0f'.repeat(16),
  destination: 'orders',
  action: 'message.send',
  decision: 'allow',
  reason: 'role',
  policyRevision: '7',
  requestDigest: 'aa'.repeat(32),
};
const concluded: MessageOutcome = {
  seq: 12n,
  correlation: '0f'.repeat(16),
  destination: 'orders',
  action: 'message.send',
  outcome: 'success',
  status: '200',
  responseDigest: 'bb'.repeat(32),
  durationMs: 1.25,
};
const frame = { principal: 'user:alice', sessionId, peer };

const decision = (messages: readonly MessageDecision[]): AuditEvent =>
  frameEvent(context, { ...frame, phase: 'decision', messages });

const events: Record<string, AuditEvent> = {
  authentication: authenticationEvent(context, {
    activity: 'logon',
    method: 'certificate',
    principal: 'user:alice',
    outcome: 'success',
    reason: 'verified',
    sessionId,
    peer,
  }),
  'failed authentication': authenticationEvent(context, {
    activity: 'logon',
    method: 'psk',
    outcome: 'refused',
    reason: 'bad_proof',
    peer,
  }),
  'authorize session': authorizeSessionEvent(context, {
    principal: 'user:alice',
    sessionId,
    action: 'session.open',
    decision: 'deny',
    reason: 'no_role',
    policyRevision: '7',
    privileges: ['sender'],
  }),
  'account change': accountChangeEvent(context, {
    activity: 'create',
    actor: admin,
    account: 'workload:batch',
    action: 'credentials.write',
    outcome: 'success',
    reason: 'done',
  }),
  'entity management': entityManagementEvent(context, {
    activity: 'update',
    actor: { kind: 'service', name: 'key-service' },
    entity: { type: 'key', id: 'audit-checkpoint', version: '3' },
    action: 'keys.rotate',
    outcome: 'success',
    reason: 'schedule',
    comment: 'due',
  }),
  call: apiActivityEvent(context, {
    activity: 'update',
    actor: admin,
    operation: 'policy.v1.PolicyService/PutRole',
    service: 'policy-service',
    action: 'policy.write',
    resource: 'role:sender',
    decision: { decision: 'allow', policyRevision: '7' },
    outcome: 'failure',
    reason: 'conflict',
    peer,
    requestId: 'req-1',
  }),
  'detection finding': detectionFindingEvent(context, {
    finding: 'log_inconsistent',
    findingId: 'f-1',
    title: 'tile/0/000 was changed',
    severity: 'critical',
    isAlert: true,
  }),
  'sequence gap': sequenceGapEvent(context, { producer: 'gateway#1', fromSeq: 4n, toSeq: 9n }),
  'frame decision': decision([decided, { ...decided, seq: 13n, decision: 'deny', reason: 'no_role' }]),
  'decision that names its operation': decision([
    { ...decided, operation: { target: 'files/read_file', argumentsDigest: 'cd'.repeat(32) } },
  ]),
  'outcome that names its operation': frameEvent(context, {
    ...frame,
    phase: 'outcome',
    messages: [{ ...concluded, operation: { target: 'file:///größe' } }],
  }),
  'finding about a tool': detectionFindingEvent(context, {
    finding: 'tool_changed',
    findingId: 'f-2',
    title: 'A tool has another definition',
    severity: 'high',
    isAlert: true,
    about: 'tool:files/read_file',
  }),
  'frame outcome': frameEvent(context, { ...frame, phase: 'outcome', messages: [concluded] }),
  'rejected frames': rejectedFramesEvent(context, {
    peer,
    cause: 'bad_signature',
    count: 12,
    interval: { fromMs: 1_799_999_990_000, toMs: 1_800_000_000_000 },
  }),
};

describe('events', () => {
  it.each(Object.entries(events))('%s: comes back as written, and its rows are stable', (_name, event) => {
    const body = encodeEvent(event);
    expect(decodeEvent(body)).toEqual({ ok: true, event });
    expect(recordsOfBody(body)).toEqual(recordsOf(event));
    expect(recordsOf(event)).toMatchSnapshot();
  });

  it.each(Object.entries(events))(
    '%s: has the required attributes of CloudEvents and OCSF',
    (_name, event) => {
      expect(event).toMatchObject({
        specversion: '1.0',
        id: '0190-1',
        source: context.source,
        time: '2027-01-15T08:00:00.123Z',
        datacontenttype: 'application/json',
        data: { time: context.timeMs, metadata: { version: '1.6.0', tenant_uid: 'default' } },
      });
      const { class_uid, category_uid, activity_id, type_uid } = event.data;
      expect(type_uid).toBe(class_uid * 100 + activity_id);
      expect(category_uid).toBe(Math.floor(class_uid / 1000));
    },
  );

  it.each(['failed authentication', 'rejected frames'])('%s: nobody is named', (name) => {
    const [row] = events[name] === undefined ? [] : recordsOf(events[name]);
    expect(row?.principal).toBe('');
  });
});

describe('the bound of an event', () => {
  const worst: MessageDecision = {
    seq: (1n << 64n) - 1n,
    correlation: 'f'.repeat(32),
    destination: '\u0001'.repeat(255), // six bytes each once escaped
    action: 'a'.repeat(64),
    decision: 'allow',
    reason: 'r'.repeat(64),
    policyRevision: 'p'.repeat(64),
    requestDigest: 'f'.repeat(64),
  };
  const long = 'x'.repeat(255);
  const largest = { id: long, timeMs: 253_402_300_799_999, source: long, tenant: 'x'.repeat(64) };
  const from = { principal: long, sessionId: 'f'.repeat(64), peer: { ip: 'f'.repeat(64), port: 65_535 } };

  it('holds the largest decision', () => {
    const input: FrameDecisionInput = { ...from, phase: 'decision', messages: Array(256).fill(worst) };
    const body = encodeEvent(frameEvent(largest, input));
    expect(body.length).toBeLessThanOrEqual(MAX_EVENT_BYTES);
    expect(body.length).toBeGreaterThan(MAX_EVENT_BYTES * 0.9);
    expect(recordsOfBody(body)).toHaveLength(256);
  });

  it('holds the largest outcome', () => {
    const message: MessageOutcome = {
      ...worst,
      outcome: 'failure',
      status: 's'.repeat(64),
      responseDigest: 'f'.repeat(64),
      durationMs: 999_999_999_999.123,
    };
    const event = frameEvent(largest, { ...from, phase: 'outcome', messages: Array(256).fill(message) });
    const body = encodeEvent(event);
    expect(body.length).toBeLessThanOrEqual(MAX_EVENT_BYTES);
    expect(recordsOfBody(body)).toHaveLength(256);
  });
});

describe('operations', () => {
  const row = (target: string) => recordsOf(decision([{ ...decided, operation: { target } }]))[0];

  it.each([
    ['a name', 'read_file', 'read_file'],
    ['255 bytes', 'x'.repeat(255), 'x'.repeat(255)],
    ['U+0000', 'a\0b', 'a\0b'],
    ['a lone surrogate', 'a\ud800', 'a\ufffd'],
  ])('%s is the target', (_what, target, kept) => {
    expect(row(target)?.target).toBe(kept);
  });

  it('a longer one is cut between characters, and two long ones stay two', () => {
    const [a, b] = [`${'é'.repeat(300)}a`, `${'é'.repeat(300)}b`];
    const cut = boundedTarget(a);
    expect(cut).toMatch(/^é+…sha256:[0-9a-f]{64}$/);
    expect(Buffer.byteLength(cut)).toBeGreaterThan(252);
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(255);
    expect(boundedTarget(b)).not.toBe(cut);
    expect(row(a)?.target).toBe(cut);
    expect(boundedTarget(cut)).toBe(cut);
  });

  it('property: whatever the target is, the event comes back and its row names it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (target) => {
        const event = decision([{ ...decided, operation: { target } }]);
        expect(decodeEvent(encodeEvent(event))).toEqual({ ok: true, event });
        expect(recordsOf(event)[0]?.target).toBe(boundedTarget(target));
      }),
    );
  });

  it('the largest event that names operations fits, and one message more is refused', () => {
    const operation = { target: '\u0001'.repeat(255), argumentsDigest: 'ab'.repeat(32) };
    const worst: MessageDecision = {
      ...decided,
      seq: (1n << 64n) - 1n,
      destination: '\u0001'.repeat(255),
      action: 'a'.repeat(64),
      reason: 'r'.repeat(64),
      policyRevision: 'p'.repeat(64),
      operation,
    };
    const body = encodeEvent(decision(Array<MessageDecision>(128).fill(worst)));
    expect(body.length).toBeLessThanOrEqual(MAX_EVENT_BYTES);
    expect(body.length).toBeGreaterThan(MAX_EVENT_BYTES * 0.8);
    expect(recordsOfBody(body)).toHaveLength(128);
    const tooMany = [worst, ...Array<MessageDecision>(128).fill(decided)];
    expect(() => decision(tooMany)).toThrow(expect.objectContaining({ field: 'messages' }));
  });

  it('an event of the release before has rows without one', () => {
    const body = encodeEvent(decision([decided]));
    expect(fromUtf8(body)).not.toContain('"operation":{');
    expect(recordsOfBody(body)[0]).toMatchObject({ target: '', argumentsDigest: '' });
  });

  it.each([
    ['a number', 7],
    ['a target that is none', { target: 1 }],
    ['a target too long', { target: 'x'.repeat(256) }],
    ['a digest that is none', { arguments_digest: 'xyz' }],
    ['a list', []],
  ])('decoding refuses %s', (_what, operation) => {
    const text = fromUtf8(encodeEvent(decision([decided]))) ?? '';
    const value = JSON.parse(text) as { data: { unmapped: { messages: Record<string, unknown>[] } } };
    Object.assign(value.data.unmapped.messages[0] ?? {}, { operation });
    expect(decodeEvent(utf8(JSON.stringify(value))).ok).toBe(false);
  });
});

describe('builders refuse', () => {
  const cases: [string, () => AuditEvent][] = [
    ['messages', () => decision([])],
    ['messages', () => decision(Array(257).fill(decided))],
    ['destination', () => decision([{ ...decided, destination: 'é'.repeat(128) }])],
    ['destination', () => decision([{ ...decided, destination: '\ud800' }])],
    ['correlation', () => decision([{ ...decided, correlation: 'AB' }])],
    ['correlation', () => decision([{ ...decided, correlation: 'abc' }])],
    ['reason', () => decision([{ ...decided, reason: 'two words' }])],
    ['reason', () => decision([{ ...decided, reason: '' }])],
    ['operation.argumentsDigest', () => decision([{ ...decided, operation: { argumentsDigest: 'XY' } }])],
    ['policyRevision', () => decision([{ ...decided, policyRevision: 'x'.repeat(65) }])],
    ['seq', () => decision([{ ...decided, seq: -1n }])],
    ['seq', () => decision([{ ...decided, seq: 1n << 64n }])],
    [
      'principal',
      () => frameEvent(context, { ...frame, principal: 'a b', phase: 'decision', messages: [decided] }),
    ],
    ['timeMs', () => rejected({ timeMs: 1.5 })],
    ['timeMs', () => rejected({ timeMs: Number.NaN })],
    ['timeMs', () => rejected({ timeMs: 253_402_300_800_000 })],
    ['id', () => rejected({ id: '' })],
    ['source', () => rejected({ source: 'x'.repeat(256) })],
    [
      'durationMs',
      () => frameEvent(context, { ...frame, phase: 'outcome', messages: [{ ...concluded, durationMs: -1 }] }),
    ],
  ];
  for (const durationMs of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const messages = [{ ...concluded, durationMs }];
    cases.push(['durationMs', () => frameEvent(context, { ...frame, phase: 'outcome', messages })]);
  }
  const rejected = (part: Partial<EventContext>) =>
    rejectedFramesEvent(
      { ...context, ...part },
      { peer, cause: 'stale', count: 1, interval: { fromMs: 0, toMs: 1 } },
    );

  it.each(cases)('a bad %s', (field, build) => {
    expect(build).toThrow(expect.objectContaining({ problem: 'invalid_event', field }));
  });
});

describe('decoding', () => {
  const body = encodeEvent(decision([decided]));
  const text = fromUtf8(body) ?? '';

  it.each([
    ['nothing', ''],
    ['no object', '[]'],
    ['null', 'null'],
    ['white space', ` ${text}`],
    ['a repeated attribute', text.replace('{"specversion"', '{"id":"other","specversion"')],
    ['other spellings of the same text', text.replace('orders', '\\u006frders')],
    ['other spellings of a number', text.replace('"time":1800000000123', '"time":1.800000000123e12')],
    ['a trailing byte', `${text}\n`],
    ['another version', text.replace('"1.0"', '"2.0"')],
    ['an unknown type', text.replace('sallyport.audit.frame_decision', 'sallyport.audit.other')],
    [
      'another type than its class',
      text.replace('sallyport.audit.frame_decision', 'sallyport.audit.authentication'),
    ],
    ['another time in the envelope', text.replace('08:00:00.123Z', '08:00:00.124Z')],
    ['another type_uid', text.replace('600301', '600302')],
    ['a missing attribute', text.replace('"reason":"role",', '')],
    ['an attribute of another type', text.replace('"seq":"12"', '"seq":12')],
    ['a decision that is none', text.replace('"allow"', '"maybe"')],
    ['a sequence beyond 64 bits', text.replace('"seq":"12"', '"seq":"18446744073709551616"')],
    ['no messages', text.replace(/"messages":\[.*\]/, '"messages":[]')],
    ['deep nesting', '['.repeat(200_000)],
  ])('%s is refused', (_what, changed) => {
    expect(changed).not.toBe(text);
    expect(decodeEvent(utf8(changed)).ok).toBe(false);
  });

  it('says where it does not fit', () => {
    const changed = utf8(text.replace('"allow"', '"maybe"'));
    expect(decodeEvent(changed)).toEqual({ ok: false, where: '$.data.unmapped.messages[0].decision' });
  });

  it('keeps attributes that it does not know: a newer producer may say more', () => {
    const newer = utf8(text.replace('"reason":"role"', '"reason":"role","hint":"new"'));
    expect(decodeEvent(newer)).toMatchObject({ ok: true });
    expect(recordsOfBody(newer)).toEqual(recordsOfBody(body));
  });

  it('refuses invalid UTF-8 and bodies above the bound', () => {
    expect(decodeEvent(concatBytes(body.subarray(0, -1), Uint8Array.of(0xff))).ok).toBe(false);
    expect(decodeEvent(new Uint8Array(MAX_EVENT_BYTES + 1).fill(0x20)).ok).toBe(false);
  });

  it('what cannot be decoded still has one row', () => {
    expect(recordsOfBody(utf8('nonsense'))).toMatchObject([
      { item: 0, classUid: 0, activity: 'undecodable' },
    ]);
  });

  it('property: total on noise, and on damaged events', () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.nat(body.length - 1),
        fc.integer({ min: 1, max: 255 }),
        (noise, at, mask) => {
          expect(decodeEvent(noise).ok).toBe(false);
          const damaged = body.slice();
          damaged[at] = (damaged[at] ?? 0) ^ mask;
          const decoded = decodeEvent(damaged);
          if (decoded.ok) expect(encodeEvent(decoded.event)).toEqual(damaged);
          expect(recordsOfBody(damaged)).toHaveLength(1);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('property: any frame comes back as written', () => {
    const message = fc.record({
      seq: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      destination: fc.string({ unit: 'binary', maxLength: 60 }),
      decision: fc.constantFrom('allow' as const, 'deny' as const),
    });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (messages) => {
        const event = decision(messages.map((part) => ({ ...decided, ...part })));
        expect(decodeEvent(encodeEvent(event))).toEqual({ ok: true, event });
        expect(recordsOf(event).map(({ seq, destination }) => ({ seq, destination }))).toEqual(
          messages.map(({ seq, destination }) => ({ seq, destination })),
        );
      }),
    );
  });
});
