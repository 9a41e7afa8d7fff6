/**
 * SCRAM-SHA-256 verifiers as Postgres stores them (RFC 5802 section 3, RFC 7677; PostgreSQL 15, section 53.8), made
 * here so that no password is part of a statement, and so of a log.
 */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { constantTimeEqual } from '@sallyport/crypto';

const ITERATIONS = 4096; // RFC 7677 section 4, and the default of Postgres
const derive = promisify(pbkdf2);
const verifierPattern = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/;

/** `password`: printable ASCII, for which SASLprep (RFC 4013) changes nothing. Throws `TypeError` for any other. */
export async function scramVerifier(
  password: Uint8Array,
  salt: Uint8Array = randomBytes(16),
  iterations = ITERATIONS,
): Promise<string> {
  if (password.length === 0 || password.some((byte) => byte < 0x20 || byte > 0x7e)) {
    throw new TypeError('a database password is printable ASCII');
  }
  const salted = await derive(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${iterations}:${Buffer.from(salt).toString('base64')}$${storedKey}:${serverKey}`;
}

/** Whether `stored`, as read from `pg_authid`, is of this password. */
export async function isVerifierOf(stored: string, password: Uint8Array): Promise<boolean> {
  const [, iterations, salt] = verifierPattern.exec(stored) ?? [];
  if (iterations === undefined || salt === undefined) return false;
  const expected = await scramVerifier(password, Buffer.from(salt, 'base64'), Number(iterations));
  return constantTimeEqual(Buffer.from(expected), Buffer.from(stored));
}
