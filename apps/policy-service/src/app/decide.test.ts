import { describe, expect, test } from 'vitest';
import { decide } from './decide.ts';
import { getBundle } from './get-bundle.ts';
import { getStatus } from './get-status.ts';
import type { AccessRequest, InstanceReports } from './ports.ts';
import type { InForce } from './publish.ts';
import { reportRevision } from './report-revision.ts';
import { instanceLifetimeMs } from '../domain/instance.ts';
import { parseInstanceName } from '../domain/names.ts';
import { valid } from '../../test/support.ts';
import { limits } from '../domain/limits.ts';
import { memoryStore } from '../store/memory.ts';

const request: AccessRequest = {
  principal: 'user:alice',
  tenant: 'default',
  method: 'mtls',
  action: 'audit.read',
  resource: { kind: 'method', name: 'x' },
};

const inForce: InForce = {
  publication: {
    revision: 5n,
    bundle: Uint8Array.of(1),
    keyId: 'k',
    publicKey: new Uint8Array(32),
    builtAtMs: 9,
  },
  evaluate: () => ({ allowed: true, reasons: [], requires: [], roles: [], revision: 5n }),
};
const nothing = () => undefined;

describe('deciding', () => {
  test('without a policy in force fails closed', () => {
    expect(() => decide(nothing, request)).toThrow(expect.objectContaining({ reason: 'policy_unavailable' }));
  });

  test.each<[string, Partial<AccessRequest>, string]>([
    ['no principal', { principal: '' }, 'subject.principal'],
    ['a service for a principal', { principal: 'svc:gateway' }, 'subject.principal'],
    ['a long tenant', { tenant: 't'.repeat(256) }, 'subject.tenant'],
    ['a long method', { method: 'm'.repeat(256) }, 'subject.method'],
    ['a long action', { action: 'a'.repeat(256) }, 'action'],
    ['a long resource kind', { resource: { kind: 'k'.repeat(256), name: 'n' } }, 'resource_kind'],
    ['a long resource name', { resource: { kind: 'k', name: 'n'.repeat(256) } }, 'resource_name'],
  ])('%s is refused', (_what, changes, field) => {
    expect(() => decide(() => inForce, { ...request, ...changes })).toThrow(
      expect.objectContaining({ reason: 'invalid_argument', field }),
    );
  });
});

describe('the bundle', () => {
  test.each([
    [0n, 1],
    [4n, 1],
    [5n, 0],
    [6n, 0],
  ])('for a caller at revision %i has %i bytes', (revision, bytes) => {
    expect(getBundle(() => inForce, revision)).toMatchObject({ revision: 5n, bundle: { length: bytes } });
  });

  test('that was never built is unavailable', () => {
    expect(() => getBundle(nothing, 0n)).toThrow(expect.objectContaining({ reason: 'policy_unavailable' }));
  });
});

describe('reports of gateways', () => {
  const portsAt = (reports: InstanceReports, nowMs: number) => ({
    reports,
    now: () => nowMs,
    inForce: () => inForce,
  });

  test('show the slowest first, keep one per gateway, and age out', async () => {
    const { reports } = memoryStore([]);
    await reportRevision(portsAt(reports, 0), { instance: 'old', revision: 1n });
    await reportRevision(portsAt(reports, 1), { instance: 'fast', revision: 4n });
    await reportRevision(portsAt(reports, 2), { instance: 'fast', revision: 5n });
    await reportRevision(portsAt(reports, 3), { instance: 'slow', revision: 3n });
    const then = await getStatus(portsAt(reports, instanceLifetimeMs));
    expect(then).toEqual({
      revision: 5n,
      builtAtMs: 9,
      instances: [
        { instance: 'slow', revision: 3n, reportedAtMs: 3 },
        { instance: 'fast', revision: 5n, reportedAtMs: 2 },
      ],
    });
    await reportRevision(portsAt(reports, instanceLifetimeMs * 2), { instance: 'new', revision: 5n });
    expect(await reports.list()).toHaveLength(1);
  });

  test('of a bad name are refused', async () => {
    const { reports } = memoryStore([]);
    await expect(reportRevision(portsAt(reports, 0), { instance: '', revision: 1n })).rejects.toMatchObject({
      reason: 'invalid_argument',
      field: 'instance',
    });
  });

  test('beyond the limit are refused, those that report already are not', async () => {
    const { reports } = memoryStore([]);
    const ports = portsAt(reports, 0);
    for (let i = 0; i < limits.instances; i += 1) {
      await reports.put({
        instance: valid(parseInstanceName(`g${i}`, 'instance')),
        revision: 1n,
        reportedAtMs: 0,
      });
    }
    await expect(reportRevision(ports, { instance: 'more', revision: 1n })).rejects.toMatchObject({
      reason: 'too_large',
    });
    await reportRevision(ports, { instance: 'g0', revision: 2n });
    expect((await getStatus(ports)).instances.at(-1)).toMatchObject({ instance: 'g0', revision: 2n });
  });
});
