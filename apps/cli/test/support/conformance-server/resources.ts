/** The resources and prompts of the scenarios. */
import {
  acceptedContent,
  fromJsonSchema,
  inputRequired,
  ResourceTemplate,
  type McpServer,
} from '@modelcontextprotocol/server';
import { embedded, fromUser, image, PNG_B64, text } from './content.ts';

export function addResources(server: McpServer): void {
  const static_ = { description: 'Never changes', mimeType: 'text/plain' };
  server.registerResource('static-text', 'test://static-text', static_, ({ href }) => ({
    contents: [
      { uri: href, mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
    ],
  }));
  server.registerResource(
    'static-binary',
    'test://static-binary',
    { description: 'One pixel', mimeType: 'image/png' },
    ({ href }) => ({ contents: [{ uri: href, mimeType: 'image/png', blob: PNG_B64 }] }),
  );
  for (const name of ['watched-resource', 'example-resource'])
    server.registerResource(
      name,
      `test://${name}`,
      { description: 'To be subscribed to', mimeType: 'text/plain' },
      ({ href }) => ({ contents: [{ uri: href, mimeType: 'text/plain', text: 'Watched.' }] }),
    );
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'Takes an id', mimeType: 'application/json' },
    ({ href }, { id }) => ({
      contents: [
        {
          uri: href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  );
}

const strings = (...names: string[]) => ({
  type: 'object' as const,
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
  required: names,
});

export function addPrompts(server: McpServer): void {
  server.registerPrompt('test_simple_prompt', { description: 'Takes nothing' }, () =>
    fromUser(text('This is a simple prompt for testing.')),
  );
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'Takes two strings',
      argsSchema: fromJsonSchema<{ arg1: string; arg2: string }>(strings('arg1', 'arg2')),
    },
    ({ arg1, arg2 }) => fromUser(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    {
      description: 'Embeds a resource',
      argsSchema: fromJsonSchema<{ resourceUri: string }>(strings('resourceUri')),
    },
    ({ resourceUri }) =>
      fromUser(
        embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
        text('Please process the embedded resource above.'),
      ),
  );
  server.registerPrompt('test_prompt_with_image', { description: 'Shows one pixel' }, () =>
    fromUser(image, text('Please analyze the image above.')),
  );
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks for its context' },
    ({ mcpReq }) => {
      const context = acceptedContent(mcpReq.inputResponses, 'user_context')?.['context'];
      if (typeof context === 'string') return fromUser(text(`In the context of ${context}.`));
      return inputRequired({
        inputRequests: {
          user_context: inputRequired.elicit({
            message: 'What context should the prompt use?',
            requestedSchema: strings('context'),
          }),
        },
      });
    },
  );
}
