import { toHex } from '@sallyport/crypto';
import type { policyv1 } from '@sallyport/proto';
import type { CallContext } from '@sallyport/service/grpc';
import { observeTools, type ObservePorts } from '../app/observe-tools.ts';
import { approveTool, getTool, listTools, rejectTool } from '../app/tools.ts';
import type { ToolRecords } from '../app/ports.ts';
import type { WritePorts } from '../app/write.ts';
import { actorOf } from './convert.ts';
import { sightingInput, toolMessage } from './convert-tools.ts';

export type ToolRoutePorts = {
  readonly tools: ToolRecords;
  readonly observe: ObservePorts;
  readonly write: WritePorts;
};

/** The handlers of PolicyService that are about tools. */
export function toolRoutes({ tools, observe, write }: ToolRoutePorts) {
  return {
    observeTools: async (request: policyv1.ObserveToolsRequest) => ({
      revision: await observeTools(observe, {
        instance: request.instance,
        tools: request.tools.map(sightingInput),
      }),
    }),
    listTools: async ({ route, changedOnly, afterRoute, afterTool }: policyv1.ListToolsRequest) => {
      const after = afterRoute === '' ? undefined : { route: afterRoute, tool: afterTool };
      const page = await listTools(tools, { route, changedOnly, after });
      return { tools: page.tools.map(toolMessage), hasMore: page.hasMore };
    },
    getTool: async ({ route, tool }: policyv1.GetToolRequest) => {
      const { record, definitions } = await getTool(tools, { route, tool });
      return {
        tool: toolMessage(record),
        pinnedDefinition: definitions.pinned,
        candidateDefinition: definitions.candidate,
      };
    },
    approveTool: async ({ route, tool, digest }: policyv1.ApproveToolRequest, context: CallContext) => ({
      revision: await approveTool(write, actorOf(context), { route, tool, digest: toHex(digest) }),
    }),
    rejectTool: async ({ route, tool, digest }: policyv1.RejectToolRequest, context: CallContext) => ({
      revision: await rejectTool(write, actorOf(context), { route, tool, digest: toHex(digest) }),
    }),
  };
}
