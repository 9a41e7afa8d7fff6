/**
 * The listening side of TLS: TLS 1.3 only, ours and not grpc-js's (its server credentials accept TLS 1.2), with what each
 * connection proved kept beside it.
 */
import { constants, type X509Certificate } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import {
  chainOf,
  peerVerifier,
  type CallerResult,
  type Identity,
  type PeerVerifier,
  type Trust,
} from '../identity/index.ts';

// Hybrid first (draft-ietf-tls-ecdhe-mlkem), then what any TLS 1.3 peer has.
export const TLS_GROUPS = 'X25519MLKEM768:X25519:P-256';

export interface Connection {
  readonly socket: TLSSocket;
  /** Address of the other end, without port. */
  readonly peerAddress: string;
  /** Who the certificate names; `undefined` when none was asked for. */
  readonly identified: CallerResult | undefined;
  /** When the certificate or one above it ends, milliseconds since the epoch; Infinity without one. */
  readonly notAfter: number;
}

export interface ConnectionsOptions {
  readonly identity: Identity;
  readonly trust: Trust;
  readonly host: string;
  readonly port: number;
  readonly clientCertificate: 'required' | 'none';
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
  /** Takes over a connection whose handshake is complete. */
  readonly onConnection: (socket: TLSSocket) => void;
  readonly onCount: (open: number) => void;
  readonly onRefused: (cause: 'tls' | 'limit', error?: Error) => void;
}

export interface Connections {
  readonly port: number;
  /** By grpc-js's name of a peer, `address:port`, which is unique among open connections. */
  get(peer: string): Connection | undefined;
  /** Open ones, those in their handshake included. */
  count(): number;
  stopListening(): void;
  /** Cuts every connection, those in their handshake included. */
  destroy(): void;
}

/** Listens. Rejects with the listener's error (`EADDRINUSE`). */
export async function listenForConnections(options: ConnectionsOptions): Promise<Connections> {
  const { identity, trust, clientCertificate } = options;
  const open = new Map<string, Connection>();
  const sockets = new Set<Socket>();
  const required = clientCertificate === 'required';
  const peers = peerVerifier(trust);
  const server = createServer({
    minVersion: 'TLSv1.3',
    cert: identity.certPem,
    key: identity.key.export({ format: 'pem', type: 'pkcs8' }),
    ca: trust.caPem,
    requestCert: required,
    rejectUnauthorized: required,
    ALPNProtocols: ['h2'],
    ecdhCurve: TLS_GROUPS,
    handshakeTimeout: options.handshakeTimeoutMs,
    // A resumed session would skip the check of the client's certificate.
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  server.maxConnections = options.maxConnections;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    options.onCount(sockets.size);
    socket.once('close', () => {
      sockets.delete(socket);
      options.onCount(sockets.size);
    });
  });

  server.on('secureConnection', (socket) => {
    // Node has seen to it already when ALPN was offered; a client may offer none.
    if (socket.alpnProtocol !== 'h2') {
      options.onRefused('tls');
      socket.destroy();
      return;
    }
    const peer = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    const certificate = required ? socket.getPeerX509Certificate() : undefined;
    open.set(peer, {
      socket,
      peerAddress: socket.remoteAddress ?? '',
      ...identify(certificate, required, peers),
    });
    socket.once('close', () => open.delete(peer));
    socket.on('error', () => socket.destroy());
    options.onConnection(socket);
  });
  server.on('tlsClientError', (error, socket) => {
    options.onRefused('tls', error);
    socket.destroy();
  });
  server.on('drop', () => options.onRefused('limit'));

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, () => {
      server.removeListener('error', reject);
      // A failed accept (out of file descriptors) must not end the process.
      server.on('error', (error: Error) => options.onRefused('limit', error));
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    get: (peer) => open.get(peer),
    count: () => sockets.size,
    stopListening: () => void server.close(),
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function identify(
  certificate: X509Certificate | undefined,
  required: boolean,
  peers: PeerVerifier,
): Pick<Connection, 'identified' | 'notAfter'> {
  if (!required) return { identified: undefined, notAfter: Infinity };
  // Cannot be after `rejectUnauthorized`; if it ever is, nobody is whom the connection belongs to.
  if (certificate === undefined) return { identified: { ok: false, problem: 'unreadable' }, notAfter: 0 };
  const identified = peers.verify(chainOf(certificate), 'client');
  return { identified, notAfter: identified.ok ? identified.notAfterMs : 0 };
}
