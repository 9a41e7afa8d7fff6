/** A real browser: Debian's Chromium, headless, with a profile of its own, trusting one certificate by its key. Not in `./index.ts`, as it loads much. */
import { createHash, X509Certificate } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, type Browser, type Page } from 'puppeteer-core';

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Undefined where none is installed; throws there when SALLYPORT_REQUIRE_ALL is 1. */
export function findChromium(): string | undefined {
  const found = PROGRAMS.find((program) => {
    try {
      accessSync(program, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined && process.env['SALLYPORT_REQUIRE_ALL'] === '1')
    throw new Error('chromium is not installed. As root: apt-get install --no-install-recommends chromium');
  return found;
}

export type { Page };
export type Chromium = AsyncDisposable & { readonly browser: Browser };

/** `certPem`: believed although no authority of the browser's vouches for it; no other is. */
export async function startChromium(program: string, certPem: string): Promise<Chromium> {
  const profile = await mkdtemp(join(tmpdir(), 'sallyport-chromium-'));
  const spki = new X509Certificate(certPem).publicKey.export({ format: 'der', type: 'spki' });
  const pin = createHash('sha256').update(spki).digest('base64');
  const isRoot = process.getuid?.() === 0;
  const browser = await launch({
    executablePath: program,
    headless: true,
    userDataDir: profile,
    timeout: 30_000,
    args: [
      `--ignore-certificate-errors-spki-list=${pin}`,
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--no-first-run',
      // Chromium's own sandbox will not start for root.
      ...(isRoot ? ['--no-sandbox'] : []),
    ],
  });
  return {
    browser,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
