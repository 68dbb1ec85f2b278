/** Threads in a browser: where the page is cross-origin isolated, and one where it is not. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { isolation, launch, noChromium, openPage } from './chromium.ts';

describe('threads in Chromium', { skip: noChromium }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  test('share memory where the page is isolated', async () => {
    const page = await openPage(browser, 'test/browser/threads-page.ts', isolation);
    assert.deepEqual(await page.evaluate('run()'), { isolated: true, shared: true, threads: 2, same: true });
    assert.ok(page.workers().length >= 1);
  });

  test('are one elsewhere', async () => {
    const page = await openPage(browser, 'test/browser/threads-page.ts');
    assert.deepEqual(await page.evaluate('run()'), { isolated: false, shared: false, threads: 1, same: true });
    assert.equal(page.workers().length, 0);
  });
});
