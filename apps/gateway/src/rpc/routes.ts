/** The gRPC carrier of the secure channel: a frame is one `bytes` field, and the stream is a carrier connection. */
import { EXPORTER_LABEL, EXPORTER_LENGTH } from '@sallyport/channel';
import { channelv1 } from '@sallyport/proto';
import { implement, type ServiceImplementation } from '@sallyport/service/grpc';
import type { Carrier, Connection } from '../app/carrier.ts';

/** `traceparent`: as the connection came with, unverified. */
export type CreateCarrier = (connection: Connection, traceparent: string | undefined) => Carrier;

export function routes(createCarrier: CreateCarrier): ServiceImplementation {
  return implement(channelv1.ChannelService, {
    connect: (stream) =>
      createCarrier(
        {
          peerAddress: stream.peerAddress,
          exporter: () => stream.exporter(EXPORTER_LABEL, EXPORTER_LENGTH),
          write: (frame) => stream.write(frame),
          end: () => stream.end(),
        },
        stream.traceparent,
      ),
  });
}
