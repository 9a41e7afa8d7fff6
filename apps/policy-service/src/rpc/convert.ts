/** Between protobuf messages and the use cases: the last place that knows both. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { conditionJson, type policyv1 } from '@sallyport/proto';
import type { CallContext } from '@sallyport/service/grpc';
import { invalidArgument } from '@sallyport/service/errors';
import type { Access, AccessRequest, Actor } from '../app/ports.ts';
import type { BindingInput } from '../domain/binding.ts';
import type { InstanceReport } from '../domain/instance.ts';
import type { Role, RoleInput } from '../domain/role.ts';
import { conditionMessage } from './convert-conditions.ts';

export function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw invalidArgument(`${field} is missing.`, { field });
  return value;
}

/** `builtIn` of a request is ignored: nobody makes a role read-only from outside. */
export function roleInput(role: policyv1.Role): RoleInput {
  return {
    name: role.name,
    inherits: role.inherits,
    permissions: role.permissions.map(({ action, resource, when }) => ({
      action,
      resource,
      when: when.map(conditionJson),
    })),
    description: role.description,
  };
}

export function roleMessage(role: Role, revision: bigint): MessageInitShape<typeof policyv1.RoleSchema> {
  return {
    name: role.name,
    inherits: [...role.inherits],
    permissions: role.permissions.map(({ action, resource, when = [] }) => ({
      action,
      resource,
      when: when.map(conditionMessage),
    })),
    description: role.description,
    builtIn: role.builtIn,
    revision,
  };
}

export function bindingInput(binding: policyv1.Binding): BindingInput {
  return { principal: binding.principal, role: binding.role };
}

export function accessRequest(
  request: Pick<policyv1.DecideRequest, 'subject' | 'action' | 'resourceKind' | 'resourceName'>,
): AccessRequest {
  const subject = required(request.subject, 'subject');
  return {
    principal: subject.principal,
    tenant: subject.tenant,
    method: subject.method,
    action: request.action,
    resource: { kind: request.resourceKind, name: request.resourceName },
  };
}

/** The same, and the call's arguments. */
export function checkRequest(request: policyv1.CheckAccessRequest): AccessRequest {
  const { call } = request;
  const asked = accessRequest(request);
  switch (call.case) {
    case undefined:
      return asked;
    case 'arguments':
      return { ...asked, arguments: call.value };
    case 'anyArguments':
      return call.value ? { ...asked, arguments: 'any' } : asked;
  }
}

export function decisionMessage(access: Access): MessageInitShape<typeof policyv1.DecisionSchema> {
  return {
    allowed: access.allowed,
    reasons: [...access.reasons],
    requires: [...access.requires],
    revision: access.revision,
  };
}

export function instanceMessage(
  report: InstanceReport,
): MessageInitShape<typeof policyv1.InstanceRevisionSchema> {
  return {
    instance: report.instance,
    revision: report.revision,
    reportedAt: timestampFromMs(report.reportedAtMs),
  };
}

/** Who a write is by. The edge admits principals only to it; a service here is a defect of the protos' table. */
export function actorOf(context: Pick<CallContext, 'caller' | 'peerAddress' | 'correlationId'>): Actor {
  if (context.caller.kind !== 'principal') throw new Error('a service may not change policy');
  const { peerAddress, correlationId } = context;
  return { kind: 'principal', id: context.caller.id, peerAddress, correlationId };
}
