import { beforeAll, describe, expect, test } from 'vitest';
import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { channelv1 } from '@sallyport/proto';
import { invalidArgument } from '../../src/errors/index.ts';
import {
  implement,
  startGrpcServer,
  type FrameHandler,
  type FrameStream,
  type GrpcServer,
} from '../../src/grpc/index.ts';
import { memoryLog } from '../../src/testing/index.ts';
import { clock, createAuthority, until, type Authority } from './fixture.ts';

const { ChannelService, ConnectRequestSchema, ConnectResponseSchema } = channelv1;

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority();
});

describe('a stream of frames', () => {
  interface Carrier {
    readonly received: Uint8Array[];
    status(): Promise<ServiceError | undefined>;
    send(frame: Uint8Array): void;
    raw(bytes: Buffer): void;
    half(): void;
    pause(): void;
    resume(): void;
    cancel(): void;
  }

  async function rig(
    open: (stream: FrameStream) => FrameHandler,
    use: (carrier: Carrier, server: GrpcServer, log: ReturnType<typeof memoryLog>) => Promise<void>,
    limits = {},
  ): Promise<void> {
    const log = memoryLog();
    const server = await startGrpcServer({
      identity: await authority.service('gateway'),
      trust: authority.trust,
      port: 0,
      clientCertificate: 'none',
      services: [implement(ChannelService, { connect: open })],
      clock,
      log,
      limits,
    });
    const client = new Client(
      server.address,
      credentials.createSsl(Buffer.from(authority.trust.caPem), null, null, {
        checkServerIdentity: () => undefined,
      }),
      { 'grpc.ssl_target_name_override': 'localhost' },
    );
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(
      '/sallyport.channel.v1.ChannelService/Connect',
      (bytes) => bytes,
      (bytes) => bytes,
      new Metadata(),
      {},
    );
    const received: Uint8Array[] = [];
    const ended = Promise.withResolvers<ServiceError | undefined>();
    call.on('data', (bytes: Buffer) => received.push(fromBinary(ConnectResponseSchema, bytes).frame));
    call.on('error', (error: ServiceError) => ended.resolve(error));
    call.on('end', () => ended.resolve(undefined));
    try {
      await use(
        {
          received,
          status: () => ended.promise,
          send: (frame) =>
            void call.write(
              Buffer.from(toBinary(ConnectRequestSchema, create(ConnectRequestSchema, { frame }))),
            ),
          raw: (bytes) => void call.write(bytes),
          half: () => void call.end(),
          pause: () => void call.pause(),
          resume: () => void call.resume(),
          cancel: () => call.cancel(),
        },
        server,
        log,
      );
    } finally {
      client.close();
      await server.close(0);
    }
  }

  test('carries frames of every size both ways, in order', async () => {
    const sizes = [0, 1, 127, 128, 16_383, 16_384, 300_000];
    await rig(
      (stream) => ({ onFrame: (frame) => void stream.write(frame), onEnd: () => stream.end() }),
      async (carrier) => {
        for (const size of sizes) carrier.send(new Uint8Array(size).fill(size & 0xff));
        carrier.half();
        expect(await carrier.status()).toBeUndefined();
        expect(carrier.received.map((frame) => frame.length)).toEqual(sizes);
        expect(
          carrier.received.every((frame, index) =>
            frame.every((byte) => byte === ((sizes[index] ?? 0) & 0xff)),
          ),
        ).toBe(true);
      },
    );
  });

  test('knows the address of the other end, nobody by name, and keying material both ends share', async () => {
    let stream: FrameStream | undefined;
    await rig(
      (opened) => {
        stream = opened;
        return { onFrame: () => {} };
      },
      async () => {
        await until(() => stream !== undefined);
        expect(stream?.peerAddress).toBe('127.0.0.1');
        expect(stream?.caller).toBeUndefined();
        const material = stream?.exporter('EXPORTER-Channel-Binding', 32);
        expect(material).toHaveLength(32);
        expect(stream?.exporter('EXPORTER-Channel-Binding', 32)).toEqual(material);
        expect(stream?.exporter('another label', 32)).not.toEqual(material);
      },
    );
  });

  test('closes once, after an end of its own', async () => {
    let closes = 0;
    await rig(
      (stream) => ({
        onFrame: () => stream.end(invalidArgument('enough')),
        onClose: () => void (closes += 1),
      }),
      async (carrier) => {
        carrier.send(Uint8Array.of(1));
        carrier.send(Uint8Array.of(2));
        expect((await carrier.status())?.code).toBe(3);
        await until(() => closes > 0);
        await delay(30);
        expect(closes).toBe(1);
      },
    );
  });

  test('closes once when the carrier goes away', async () => {
    let closes = 0;
    let stream: FrameStream | undefined;
    await rig(
      (opened) => {
        stream = opened;
        return { onFrame: () => {}, onClose: () => void (closes += 1) };
      },
      async (carrier) => {
        carrier.send(Uint8Array.of(1));
        await until(() => stream !== undefined);
        carrier.cancel();
        await carrier.status();
        await until(() => closes === 1);
        expect(stream?.signal.aborted).toBe(true);
        expect(stream?.write(Uint8Array.of(1))).toBe(false);
      },
    );
  });

  test('of something else than the message is refused', async () => {
    let frames = 0;
    await rig(
      () => ({ onFrame: () => void (frames += 1) }),
      async (carrier) => {
        carrier.raw(Buffer.from([0x0a, 0x05, 0x01]));
        expect((await carrier.status())?.code).toBe(3);
        expect(frames).toBe(0);
      },
    );
  });

  test('whose handler throws ends as internal and tells nothing', async () => {
    await rig(
      () => ({
        onFrame: () => {
          throw new Error('canary-77');
        },
      }),
      async (carrier, _server, log) => {
        carrier.send(Uint8Array.of(1));
        const status = await carrier.status();
        expect(status?.code).toBe(13);
        expect(status?.details).not.toContain('canary');
        expect(log.lines.filter((line) => line.level === 'error')).toHaveLength(1);
      },
    );
  });

  test('says when to wait and when to go on', async () => {
    let drained = 0;
    let stream: FrameStream | undefined;
    const answers: boolean[] = [];
    await rig(
      (opened) => {
        stream = opened;
        return {
          onFrame() {
            for (let count = 0; count < 20; count += 1)
              answers.push(opened.write(new Uint8Array(128 * 1024)));
          },
          onDrain: () => void (drained += 1),
        };
      },
      async (carrier) => {
        carrier.pause();
        carrier.send(Uint8Array.of(1));
        await until(() => answers.length === 20);
        expect(answers[0]).toBe(true);
        expect(answers.at(-1)).toBe(false);
        expect(drained).toBe(0);
        carrier.resume();
        await until(() => carrier.received.length === 20);
        await until(() => drained === 1);
        expect(stream?.pendingBytes).toBe(0);
      },
    );
  });

  test('cuts off a sender that does not wait for a reader that does not read', async () => {
    let taken = 0;
    let closed = false;
    await rig(
      (stream) => ({
        onFrame() {
          for (let count = 0; count < 1_000; count += 1) {
            stream.write(new Uint8Array(60_000));
            taken = Math.max(taken, stream.pendingBytes);
          }
        },
        onClose: () => void (closed = true),
      }),
      async (carrier, _server, log) => {
        carrier.pause();
        carrier.send(Uint8Array.of(1));
        await until(() => log.lines.some((line) => line.fields?.['reason'] === 'busy'));
        expect(taken).toBeLessThanOrEqual(4 * 64 * 1024);
        await until(() => closed);
      },
      { maxMessageBytes: 64 * 1024 },
    );
  });

  test('cuts the connection of a reader that never gets to its status', async () => {
    const server = await startGrpcServer({
      identity: await authority.service('gateway'),
      trust: authority.trust,
      port: 0,
      clientCertificate: 'none',
      services: [
        implement(ChannelService, {
          connect: (stream) => {
            stream.write(new Uint8Array(200_000));
            stream.end();
            return { onFrame: () => {} };
          },
        }),
      ],
      clock,
      log: memoryLog(),
    });
    // Bare HTTP/2, because grpc-js reads ahead: nobody takes more than the first window, 64 KiB.
    const session = connectHttp2(`https://${server.address}`, {
      ca: authority.trust.caPem,
      checkServerIdentity: () => undefined,
    });
    session.on('error', () => {});
    const stream = session.request({
      ':method': 'POST',
      ':path': '/sallyport.channel.v1.ChannelService/Connect',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.pause();
    await once(session, 'connect');
    const startedAt = performance.now();
    await once(session, 'close');
    expect(performance.now() - startedAt).toBeGreaterThan(3_000);
    await server.close(0);
  });

  test('a reader is slowed by pause', async () => {
    let stream: FrameStream | undefined;
    let frames = 0;
    await rig(
      (opened) => {
        stream = opened;
        opened.pause();
        return { onFrame: () => void (frames += 1) };
      },
      async (carrier) => {
        for (let count = 0; count < 10; count += 1) carrier.send(Uint8Array.of(count));
        await delay(100);
        expect(frames).toBe(0);
        stream?.resume();
        await until(() => frames === 10);
      },
    );
  });

  test('hears of a server that closes', async () => {
    let opened = false;
    await rig(
      () => {
        opened = true;
        return { onFrame: () => {} };
      },
      async (carrier, server) => {
        carrier.send(Uint8Array.of(1));
        await until(() => opened);
        await server.close(20);
        expect((await carrier.status())?.code).toBe(14);
      },
    );
  });
});
