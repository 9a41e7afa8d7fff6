/**
 * Errors on the wire: a gRPC status, and `grpc-status-details-bin` with a google.rpc.Status that holds our
 * `ErrorDetail` in an Any, which is where stock clients look for details.
 */
import { Metadata, status as grpcStatus, type StatusObject } from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ErrorDetailSchema, Reason as WireReason, type ErrorDetail } from '@sallyport/proto';
import { SallyportError, isReason, toGrpcStatus, type Reason } from '../errors/index.ts';

export const DETAILS_KEY = 'grpc-status-details-bin';

const TYPE_URL = `type.googleapis.com/${ErrorDetailSchema.typeName}`;
// HTTP/2 peers accept 8 KiB of trailers at the least; the text is there twice, once percent-encoded (3 bytes for 1).
const MAX_MESSAGE_CHARS = 500;
const MAX_FIELD_CHARS = 100;
// google.rpc.Status and google.protobuf.Any field numbers.
const STATUS = { code: 1, message: 2, details: 3 } as const;
const ANY = { typeUrl: 1, value: 2 } as const;

const wireReasons = new Map<Reason, WireReason>();
const namedReasons = new Map<number, Reason>();
for (const [name, number] of Object.entries(WireReason)) {
  const reason = name.toLowerCase();
  if (!isReason(reason)) continue;
  wireReasons.set(reason, number);
  namedReasons.set(number, reason);
}

/** What a call ends with. `correlationId` must be in the error already. */
export function statusOf(error: SallyportError): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const code = toGrpcStatus(error.reason);
  const message = bounded(error.message, MAX_MESSAGE_CHARS);
  const detail = toBinary(
    ErrorDetailSchema,
    create(ErrorDetailSchema, {
      reason: wireReasons.get(error.reason) ?? 0,
      message,
      field: bounded(error.field ?? '', MAX_FIELD_CHARS),
      correlationId: bounded(error.correlationId ?? '', MAX_FIELD_CHARS),
      retryAfterMs: error.retryAfterMs ?? 0,
    }),
  );
  const any = new BinaryWriter()
    .tag(ANY.typeUrl, WireType.LengthDelimited)
    .string(TYPE_URL)
    .tag(ANY.value, WireType.LengthDelimited)
    .bytes(detail);
  const packed = new BinaryWriter()
    .tag(STATUS.code, WireType.Varint)
    .int32(code)
    .tag(STATUS.message, WireType.LengthDelimited)
    .string(message)
    .tag(STATUS.details, WireType.LengthDelimited)
    .bytes(any.finish());
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(packed.finish()));
  return { code, details: message, metadata };
}

/** What arrives with a status that has no detail of ours: made by the transport, or by a stranger. */
const BARE = new Map<number, Reason>([
  [grpcStatus.CANCELLED, 'cancelled'],
  [grpcStatus.DEADLINE_EXCEEDED, 'deadline_exceeded'],
  // grpc-js itself says this for a message over its bound; our own `busy` comes with a detail.
  [grpcStatus.RESOURCE_EXHAUSTED, 'too_large'],
  [grpcStatus.UNIMPLEMENTED, 'unimplemented'],
  [grpcStatus.UNAVAILABLE, 'unavailable'],
]);

/** A failed call as the caller sees it. `what` says what was called. Total: any status gives an error. */
export function errorOf(
  status: { readonly code: number; readonly details: string; readonly metadata?: Metadata },
  what: string,
): SallyportError {
  const detail = detailOf(status.metadata);
  const reason = detail === undefined ? undefined : namedReasons.get(detail.reason);
  if (detail !== undefined && reason !== undefined) {
    return new SallyportError(reason, detail.message, {
      ...(detail.field === '' ? {} : { field: detail.field }),
      ...(detail.correlationId === '' ? {} : { correlationId: detail.correlationId }),
      ...(detail.retryAfterMs === 0 ? {} : { retryAfterMs: detail.retryAfterMs }),
    });
  }
  const bare = BARE.get(status.code) ?? 'internal';
  return new SallyportError(bare, `${what} failed: ${bare.replaceAll('_', ' ')}`, {
    cause: new Error(`gRPC status ${status.code}: ${bounded(status.details, MAX_MESSAGE_CHARS)}`),
  });
}

function detailOf(metadata: Metadata | undefined): ErrorDetail | undefined {
  const [packed] = metadata?.get(DETAILS_KEY) ?? [];
  if (!(packed instanceof Uint8Array)) return undefined;
  try {
    for (const any of fieldsOf(packed, STATUS.details)) {
      const [typeUrl] = fieldsOf(any, ANY.typeUrl);
      const [value] = fieldsOf(any, ANY.value);
      if (typeUrl !== undefined && new TextDecoder().decode(typeUrl) === TYPE_URL) {
        return fromBinary(ErrorDetailSchema, value ?? new Uint8Array());
      }
    }
  } catch {
    // A peer may send anything here; the status code still counts.
  }
  return undefined;
}

/** The length-delimited values of one field, in order. Throws on malformed bytes. */
function fieldsOf(bytes: Uint8Array, field: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const values: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field && wireType === WireType.LengthDelimited) values.push(reader.bytes());
    else reader.skip(wireType, number);
  }
  return values;
}

/** Well-formed, so that percent-encoding cannot throw, and short. */
function bounded(text: string, maxChars: number): string {
  return text.slice(0, maxChars).toWellFormed();
}
