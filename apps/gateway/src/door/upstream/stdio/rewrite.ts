/**
 * Ids of requests, renamed for a child that several streams share and named back in what it says. Everywhere a message
 * names a request: its id, its progress token, `requestId` of a cancellation, the subscription that a notification is for.
 */
import {
  isObject,
  member,
  META,
  metaMember,
  objectMember,
  withMeta,
  type JsonValue,
  type Message,
  type Notification,
  type Request,
  type RequestId,
  type Response,
} from '@sallyport/model-context';

export type Named = {
  /** The client's. */
  readonly id: RequestId;
  /** The client's, where it gave one. */
  readonly token: RequestId | undefined;
};

/** What a request is called by its client: its id, and its progress token if it has one. */
export const namedBy = (request: Request): Named => {
  const token = metaMember(request, META.progressToken);
  return {
    id: request.id,
    token: typeof token === 'string' || typeof token === 'number' ? token : undefined,
  };
};

/** `own` is its id and its progress token from here on. */
export const renamed = (request: Request, { token }: Named, own: number): Request => ({
  ...(token === undefined ? request : withMeta(request, { [META.progressToken]: own })),
  id: own,
});

/** A response with the client's id, where it names its subscription as well. */
export const restored = (response: Response, { id }: Named): Response => {
  if (!('result' in response)) return { ...response, id };
  const meta = objectMember(response.result, '_meta');
  if (meta?.[META.subscriptionId] === undefined) return { ...response, id };
  return {
    ...response,
    id,
    result: { ...response.result, _meta: { ...meta, [META.subscriptionId]: id } },
  };
};

/** Which of our requests a notification belongs to: by progress token or subscription. */
export const relationOf = (message: Notification): number | undefined => {
  const token =
    message.method === 'notifications/progress' ? member(message.params, 'progressToken') : undefined;
  const related = token ?? metaMember(message, META.subscriptionId);
  return typeof related === 'number' ? related : undefined;
};

/** With what the client calls it. */
export const named = (message: Notification, { id, token }: Named): Notification => {
  const subscribed = metaMember(message, META.subscriptionId) !== undefined;
  const given = subscribed ? withMeta(message, { [META.subscriptionId]: id }) : message;
  if (message.method !== 'notifications/progress' || token === undefined || !isObject(given.params))
    return given;
  return { ...given, params: { ...given.params, progressToken: token } };
};

/** What a cancellation cancels, as its sender calls it. */
export const cancelledBy = (message: Message): JsonValue | undefined =>
  'method' in message && message.method === 'notifications/cancelled'
    ? member(message.params, 'requestId')
    : undefined;

/** For the server: the answer is not waited for any more. */
export const cancellation = (requestId: RequestId, reason: string): Notification => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId, reason },
});
