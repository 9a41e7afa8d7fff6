/**
 * The tools of the scenarios that ask the client: what is missing is returned as `input_required`. In the session era the
 * official SDK turns that into requests to the client, so each is written once.
 */
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  fromJsonSchema,
  inputRequired,
  type ClientCapabilities,
  type ElicitResult,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { result, text } from './content.ts';
import { add } from './tools.ts';

export type State = { readonly step: string };

const oneString = (property: string) => ({
  type: 'object' as const,
  properties: { [property]: { type: 'string' as const } },
  required: [property],
});

const ask = (message: string, property: string) =>
  inputRequired.elicit({ message, requestedSchema: oneString(property) });

const sample = (question: string, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: text(question) }], maxTokens });

/** The answered value, where the client accepted and gave a string. */
function answered({ mcpReq }: ServerContext, key: string, property: string): string | undefined {
  const value = acceptedContent(mcpReq.inputResponses, key)?.[property];
  return typeof value === 'string' ? value : undefined;
}

const hasResponse = ({ mcpReq }: ServerContext, key: string, member: string): boolean => {
  const given = mcpReq.inputResponses?.[key];
  return typeof given === 'object' && given !== null && member in given;
};

export function addAskingTools(server: McpServer, states: RequestStateCodec<State>): void {
  addForBothEras(server);
  add(server, 'test_input_required_result_elicitation', 'Asks for a name', (context) => {
    const name = answered(context, 'user_name', 'name');
    if (name !== undefined) return result(text(`Hello, ${name}!`));
    return inputRequired({ inputRequests: { user_name: ask('What is your name?', 'name') } });
  });
  add(server, 'test_streaming_elicitation', 'Asks on a stream', async (context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    if (progressToken !== undefined)
      await context.mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress: 1 },
      });
    return inputRequired({ inputRequests: { user_name: ask('What is your name?', 'name') } });
  });
  add(server, 'test_input_required_result_sampling', 'Asks the model', (context) =>
    hasResponse(context, 'capital_question', 'content')
      ? result(text(JSON.stringify(context.mcpReq.inputResponses?.['capital_question'])))
      : inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?') } }),
  );
  add(server, 'test_input_required_result_list_roots', 'Asks for the roots', (context) =>
    hasResponse(context, 'client_roots', 'roots')
      ? result(text(JSON.stringify(context.mcpReq.inputResponses?.['client_roots'])))
      : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } }),
  );
  addStateful(server, states);
  add(server, 'test_input_required_result_capabilities', 'Asks what the client can answer', (context) => {
    const envelope: Readonly<Record<string, unknown>> = { ...context.mcpReq.envelope };
    const can = (envelope[CLIENT_CAPABILITIES_META_KEY] ?? {}) as ClientCapabilities;
    const inputRequests = {
      ...('sampling' in can ? { sampled: sample('Say anything.') } : {}),
      ...('elicitation' in can ? { elicited: ask('What is your name?', 'name') } : {}),
    };
    const isDone = Object.keys(inputRequests).every((key) => key in (context.mcpReq.inputResponses ?? {}));
    return isDone ? result(text('Nothing left to ask.')) : inputRequired({ inputRequests });
  });
}

/** Requests that carry a state from round to round, sealed by the codec and checked by the server before it gets here. */
function addStateful(server: McpServer, states: RequestStateCodec<State>): void {
  const confirm = inputRequired.elicit({
    message: 'Please confirm',
    requestedSchema: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] },
  });
  for (const name of [
    'test_input_required_result_request_state',
    'test_input_required_result_tampered_state',
  ])
    add(server, name, 'Asks, with a state', async (context) => {
      const state = context.mcpReq.requestState<State>();
      if (state?.step === name && acceptedContent(context.mcpReq.inputResponses, 'confirm') !== undefined)
        return result(text('state-ok'));
      return inputRequired({
        inputRequests: { confirm },
        requestState: await states.mint({ step: name }, context),
      });
    });
  add(server, 'test_input_required_result_multiple_inputs', 'Asks three things at once', async (context) => {
    const isDone =
      answered(context, 'user_name', 'name') !== undefined &&
      hasResponse(context, 'greeting', 'content') &&
      hasResponse(context, 'client_roots', 'roots') &&
      context.mcpReq.requestState<State>()?.step === 'all';
    if (isDone) return result(text('All three are answered.'));
    return inputRequired({
      inputRequests: {
        user_name: ask('What is your name?', 'name'),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await states.mint({ step: 'all' }, context),
    });
  });
  add(server, 'test_input_required_result_multi_round', 'Asks twice', async (context) => {
    const step = context.mcpReq.requestState<State>()?.step;
    const color = answered(context, 'step2', 'color');
    if (step === 'color' && color !== undefined) return result(text(`The color is ${color}.`));
    if (step === 'name' && answered(context, 'step1', 'name') !== undefined)
      return inputRequired({
        inputRequests: { step2: ask('Step 2: What is your favorite color?', 'color') },
        requestState: await states.mint({ step: 'color' }, context),
      });
    return inputRequired({
      inputRequests: { step1: ask('Step 1: What is your name?', 'name') },
      requestState: await states.mint({ step: 'name' }, context),
    });
  });
}

const titled = (...titles: string[]) => titles.map((title, index) => ({ const: `value${index + 1}`, title }));

/** The forms of the session era's scenarios (SEP-1034, SEP-1330). */
const FORMS = {
  test_elicitation_sep1034_defaults: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
  test_elicitation_sep1330_enums: {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: {
      type: 'array',
      items: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    },
    titledMulti: {
      type: 'array',
      items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') },
    },
  },
} as const;

function addForBothEras(server: McpServer): void {
  for (const [name, form] of Object.entries(FORMS))
    add(server, name, 'Asks with a form', (context) => {
      const given = elicited(context, 'form');
      if (given !== undefined) return result(text(`Elicitation completed: ${given}`));
      return inputRequired({
        inputRequests: {
          form: {
            method: 'elicitation/create',
            params: {
              mode: 'form',
              message: 'Please fill in the form',
              requestedSchema: { type: 'object', properties: structuredClone(form) as never },
            },
          },
        },
      });
    });
  server.registerTool(
    'test_elicitation',
    { description: 'Asks the user', inputSchema: fromJsonSchema<{ message: string }>(oneString('message')) },
    ({ message }, context) => {
      const given = elicited(context, 'user');
      if (given !== undefined) return result(text(`User response: ${given}`));
      const properties = { username: { type: 'string' }, email: { type: 'string' } } as const;
      return inputRequired({
        inputRequests: {
          user: inputRequired.elicit({
            message,
            requestedSchema: { type: 'object', properties, required: ['username', 'email'] },
          }),
        },
      });
    },
  );
  server.registerTool(
    'test_sampling',
    { description: 'Asks the model', inputSchema: fromJsonSchema<{ prompt: string }>(oneString('prompt')) },
    ({ prompt }, context) =>
      hasResponse(context, 'model', 'content')
        ? result(text(`LLM response: ${sampledText(context)}`))
        : inputRequired({ inputRequests: { model: sample(prompt) } }),
  );
}

function elicited({ mcpReq }: ServerContext, key: string): string | undefined {
  const given = mcpReq.inputResponses?.[key] as ElicitResult | undefined;
  return given === undefined
    ? undefined
    : `action=${given.action}, content=${JSON.stringify(given.content ?? {})}`;
}

function sampledText({ mcpReq }: ServerContext): string {
  const given = mcpReq.inputResponses?.['model'] as { content?: { text?: string } } | undefined;
  return given?.content?.text ?? '';
}
