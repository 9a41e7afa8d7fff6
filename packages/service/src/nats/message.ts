import type { MsgHdrs } from '@nats-io/transport-node';
import type { BusMessage } from '../bus/index.ts';
import { validTraceparent } from '../bus/trace.ts';
import { MSG_ID_HEADER, TRACEPARENT_HEADER } from './publisher.ts';

/** What the library received, as the port has it. The payload is a view of the frame that it came in. */
export function toBusMessage(
  message: { readonly subject: string; readonly data: Uint8Array; readonly headers?: MsgHdrs | undefined },
  deliveries: number,
): BusMessage {
  const header = (name: string): string | undefined => {
    const value = message.headers?.get(name);
    return value === undefined || value === '' ? undefined : value;
  };
  return {
    subject: message.subject,
    payload: message.data,
    msgId: header(MSG_ID_HEADER),
    deliveries,
    ...validTraceparent(header(TRACEPARENT_HEADER)),
  };
}
