import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { policyv1 } from '@sallyport/proto';
import { implement, type ServiceImplementation } from '@sallyport/service/grpc';
import { decide } from '../app/decide.ts';
import { deleteBinding } from '../app/delete-binding.ts';
import { deleteRole } from '../app/delete-role.ts';
import { getBundle } from '../app/get-bundle.ts';
import { getStatus } from '../app/get-status.ts';
import { listBindings, listRoles } from '../app/list-policy.ts';
import type { InstanceReports, PolicyReader } from '../app/ports.ts';
import type { Publisher } from '../app/publish.ts';
import { putBinding } from '../app/put-binding.ts';
import { putRole } from '../app/put-role.ts';
import { reportRevision } from '../app/report-revision.ts';
import {
  accessRequest,
  actorOf,
  bindingInput,
  checkRequest,
  decisionMessage,
  instanceMessage,
  required,
  roleInput,
  roleMessage,
} from './convert.ts';
import { toolRoutes, type ToolRoutePorts } from './tool-routes.ts';

export type RoutePorts = {
  readonly reader: PolicyReader;
  readonly reports: InstanceReports;
  readonly inForce: Publisher['inForce'];
  readonly now: () => number;
} & ToolRoutePorts;

export function routes(ports: RoutePorts): ServiceImplementation {
  const { reader, inForce, write } = ports;
  return implement(policyv1.PolicyService, {
    getBundle: async ({ currentRevision }) => getBundle(inForce, currentRevision),
    reportRevision: async ({ instance, revision }) => {
      await reportRevision(ports, { instance, revision });
      return {};
    },
    decide: async (request) => ({ decision: decisionMessage(decide(inForce, accessRequest(request))) }),
    checkAccess: async (request) => {
      const access = decide(inForce, checkRequest(request));
      return { decision: decisionMessage(access), roles: [...access.roles] };
    },
    listRoles: async () => {
      const { roles, roleRevisions, revision } = await listRoles(reader);
      const messages = roles.map((role) => roleMessage(role, roleRevisions.get(role.name) ?? 0n));
      return { roles: messages, revision };
    },
    putRole: async ({ role, expectedRevision }, context) => ({
      revision: await putRole(write, actorOf(context), roleInput(required(role, 'role')), expectedRevision),
    }),
    deleteRole: async ({ name }, context) => ({ revision: await deleteRole(write, actorOf(context), name) }),
    listBindings: async ({ principal }) => {
      const { bindings, revision } = await listBindings(reader, principal);
      return { bindings: [...bindings], revision };
    },
    putBinding: async ({ binding }, context) => ({
      revision: await putBinding(write, actorOf(context), bindingInput(required(binding, 'binding'))),
    }),
    deleteBinding: async ({ binding }, context) => ({
      revision: await deleteBinding(write, actorOf(context), bindingInput(required(binding, 'binding'))),
    }),
    ...toolRoutes(ports),
    getStatus: async () => {
      const { revision, builtAtMs, instances } = await getStatus(ports);
      return {
        revision,
        ...(builtAtMs === undefined ? {} : { builtAt: timestampFromMs(builtAtMs) }),
        instances: instances.map(instanceMessage),
      };
    },
  });
}
