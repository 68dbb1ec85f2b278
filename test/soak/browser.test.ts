/**
 * The same in a browser, where garbage is found when the event loop turns: Debian's Chromium, or the program that CHROMIUM names. A short
 * run is part of the tests; `npm run soak` makes it a million steps of each.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launch, noChromium, openPage } from '../browser/chromium.ts';
import type { Outcome } from './page.ts';
import { programs, sizes } from './programs.ts';

const megabyte = 2 ** 20;
const steps = (n: number): number => Number(process.env.SOAK_STEPS ?? Math.min(1000, 20_000_000 / n));
/** When garbage is collected is the browser’s affair: these are several times what it takes at first. */
const bounds = { reserved: 768 * megabyte, resident: 1280 * megabyte };

/** Bytes that are resident in the processes of the browser that run pages, where the system says. */
async function resident(browser: Browser): Promise<number | null> {
  if (process.platform !== 'linux') return null;
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  const kilobytes = renderers.map(({ id }) => {
    const status = readFileSync(`/proc/${id}/status`, 'utf8');
    return Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0);
  });
  return 1024 * Math.max(...kilobytes);
}

describe('in Chromium', { skip: noChromium }, () => {
  let browser: Browser;
  let page: Page;

  before(async () => {
    browser = await launch();
    page = await openPage(browser, 'test/soak/page.ts');
  });
  after(() => browser?.close());

  for (const name of Object.keys(programs)) {
    for (const n of sizes) {
      test(`${name} with ${n} elements`, async (t) => {
        const outcome: Outcome = await page.evaluate(`run(${JSON.stringify(name)}, ${n}, ${steps(n)})`);
        const { reserved, allocated } = outcome;
        const held = await resident(browser);
        const numbers = [reserved, held ?? Number.NaN, allocated].map((bytes) => Math.round(bytes / megabyte));
        t.diagnostic(
          `${steps(n)} steps: ${numbers[0]} MB reserved, ${numbers[1]} MB resident, ${numbers[2]} MB allocated so far`,
        );
        assert.ok(reserved < bounds.reserved, `${numbers[0]} MB of linear memory`);
        assert.ok(held === null || held < bounds.resident, `${numbers[1]} MB resident`);
      });
    }
  }
});
