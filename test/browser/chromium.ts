/** Chromium for tests: Debian's, or the program that CHROMIUM names. */
import { existsSync } from 'node:fs';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { isMemoryDebugEnabled } from '../../src/index.ts';

const candidates = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  chromium.executablePath(),
];
const executablePath = process.env.CHROMIUM ?? candidates.find((path) => existsSync(path));

/** Why not to run a test in it, for the option `skip`. */
export const noChromium =
  (executablePath === undefined && 'there is no Chromium here: install one, or name it in CHROMIUM') ||
  (isMemoryDebugEnabled() && 'what runs in the browser runs without checks of memory');

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });

/** Headers that isolate a page, so that its threads may share memory. */
export const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** A page that has run the program `entry`, which defines a global function `run`. No server is needed: requests are answered here. */
export async function openPage(browser: Browser, entry: string, headers: Record<string, string> = {}): Promise<Page> {
  const bundled = await build({ entryPoints: [entry], bundle: true, format: 'esm', write: false, logLevel: 'silent' });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(error));
  await page.route('http://localhost/**', (route) => {
    if (route.request().url().endsWith('.js')) {
      return route.fulfill({ headers, contentType: 'text/javascript', body: bundled.outputFiles[0].text });
    }
    return route.fulfill({ headers, contentType: 'text/html', body: '<script type="module" src="/page.js"></script>' });
  });
  await page.goto('http://localhost/');
  await page.waitForFunction('globalThis.run');
  return page;
}
