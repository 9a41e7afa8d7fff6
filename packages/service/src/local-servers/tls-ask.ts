/** One short conversation over TLS, for readiness questions. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

const ANSWER_TIMEOUT_MS = 1000;

export interface Conversation {
  write(text: string): void;
  /** The next line without its CRLF. */
  line(): Promise<string>;
}

/**
 * Connects to a server of this machine whose certificate `caPem` vouches for, talks, and hangs up. With `greeting`, the
 * server speaks one line in clear before TLS starts. Rejects after one second.
 */
export async function askOverTls(
  { port, caPem, greeting = false }: { port: number; caPem: string; greeting?: boolean },
  talk: (conversation: Conversation) => Promise<void>,
): Promise<void> {
  const plain = connectTcp({ host: '127.0.0.1', port });
  let secure: TLSSocket | undefined;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const timer = setTimeout(() => failed.reject(new Error('no answer')), ANSWER_TIMEOUT_MS);
  plain.once('error', failed.reject);
  plain.once('close', () => failed.reject(new Error('the connection was closed')));
  try {
    if (greeting) await Promise.race([lineReader(plain)(), failed.promise]);
    secure = connectTls({ socket: plain, ca: caPem, servername: 'localhost', minVersion: 'TLSv1.3' });
    secure.once('error', failed.reject);
    const socket = secure;
    const conversation = { write: (text: string) => void socket.write(text), line: lineReader(socket) };
    await Promise.race([talk(conversation), failed.promise]);
  } finally {
    clearTimeout(timer);
    secure?.destroy();
    plain.destroy();
  }
}

/** Reads no further than the line that is asked for: what follows the greeting belongs to TLS. */
function lineReader(socket: Socket): () => Promise<string> {
  let received = '';
  return async () => {
    while (!received.includes('\r\n')) {
      await new Promise<void>((resolve) => socket.once('readable', resolve));
      received += (socket.read() as Buffer | null)?.toString('latin1') ?? '';
    }
    const [line = '', ...rest] = received.split('\r\n');
    received = rest.join('\r\n');
    return line;
  };
}
