import { open, stat } from 'node:fs/promises';

const MOST_BYTES = 4096;
const MOST_LINES = 15;

/** In bytes; 0 when there is none. */
export async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

/** The last lines written at or after byte `from`, for a message. */
export async function lastLines(file: string, from: number): Promise<string> {
  const size = await sizeOf(file);
  const start = Math.max(from, size - MOST_BYTES);
  if (size <= start) return '(nothing)';
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - start), 0, size - start, start);
    const lines = buffer.subarray(0, bytesRead).toString('utf8').trimEnd().split('\n');
    return lines.slice(-MOST_LINES).join('\n');
  } finally {
    await handle.close();
  }
}
