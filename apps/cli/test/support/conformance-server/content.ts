/** The pieces of content that the scenarios look for: the smallest valid ones. */
import type { CallToolResult, GetPromptResult } from '@modelcontextprotocol/server';

/** One red pixel. */
export const PNG_B64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** No samples at all, 8 kHz, 16 bit, mono. */
export const WAV_B64 = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';

export type Content = CallToolResult['content'][number];
type PromptContent = GetPromptResult['messages'][number]['content'];

export const image = { type: 'image', data: PNG_B64, mimeType: 'image/png' } as const;
export const audio = { type: 'audio', data: WAV_B64, mimeType: 'audio/wav' } as const;

export const text = (value: string): { type: 'text'; text: string } => ({ type: 'text', text: value });

export const embedded = (
  uri: string,
  mimeType: string,
  value: string,
): { type: 'resource'; resource: { uri: string; mimeType: string; text: string } } => ({
  type: 'resource',
  resource: { uri, mimeType, text: value },
});

export const result = (...content: Content[]): CallToolResult => ({ content });

export const fromUser = (...contents: PromptContent[]): GetPromptResult => ({
  messages: contents.map((content) => ({ role: 'user', content })),
});
