// The page of `dr status` in a real browser: nothing is loaded or run, and every state can be read without its colour.
import { mkdir } from 'node:fs/promises';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statusPage } from '../../client/output/status-page.ts';
import type { Health, StatusLine } from '../../domain/contracts/system-status.ts';
import type { PlatformStatus } from '../../domain/status/platform.ts';

const PICTURES = 'test-results';
const ODD = `<img src=x onerror=alert(1)>"'&\u202e\u0007`;

const line = (level: Health, subject: string, message: string): StatusLine => ({
  ...{ level, subject, message, code: null, mend: 'dr verify' },
});
const LINES = [
  line('ok', 'server', 'answers'),
  line('warning', ODD, 'lag'),
  line('unknown', 'broker', 'no answer within 4 s'),
  line('failed', 'disk', `${ODD}\nsecond line`),
];
const STATUS: PlatformStatus = {
  ...{ platform: 'orders', site: 'west', at: '2026-11-24T20:00:00.000Z', level: 'failed', exit: 8 },
  objectives: [
    { what: 'redis', objective: 'RPO', wantedSeconds: 900, measuredSeconds: 3600, standing: 'missed', why: ODD },
    { what: 'redis', objective: 'RTO', wantedSeconds: 900, measuredSeconds: 850, standing: 'at risk', why: 'slow' },
    { what: 'tls', objective: 'RPO', wantedSeconds: 0, measuredSeconds: 0, standing: 'met', why: 'unchanged since' },
    {
      what: 'platform',
      objective: 'RTO',
      wantedSeconds: 7200,
      measuredSeconds: null,
      standing: 'unknown',
      why: 'never',
    },
  ],
  sections: [{ name: 'redis', title: 'Redis', level: 'failed', lines: LINES }],
};

let browser: Browser;
beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true });
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [...root, '--disable-gpu'] });
});
afterAll(() => browser?.close());

describe('the page of dr status', () => {
  it('runs and loads nothing, and shows odd names as text', { timeout: 120_000 }, async () => {
    const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
    const happened: string[] = [];
    page.on('request', (request) => happened.push(request.url()));
    page.on('dialog', (dialog) => happened.push(dialog.message()));
    await page.setContent(statusPage(STATUS));
    expect(happened).toEqual([]);
    expect(await page.locator('img, script, link').count()).toBe(0);
    expect(await page.locator('body').textContent()).toContain(String.raw`<img src=x onerror=alert(1)>"'&\u202e\x07`);
    await page.screenshot({ path: `${PICTURES}/status-page.png`, fullPage: true });
  });

  it('says every state in a word, also in print, without its colours and on a narrow screen', {
    timeout: 120_000,
  }, async () => {
    const page = await browser.newPage({ viewport: { width: 400, height: 900 } });
    await page.setContent(statusPage(STATUS));
    const words = await page.locator('section .badge').allInnerTexts();
    const states = [
      '✘ missed',
      '! at risk',
      '✔ met',
      '? unknown',
      '✘ failed',
      '✔ well',
      '! warning',
      '? unknown',
      '✘ failed',
    ];
    expect(words).toEqual(states);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(400);
    await page.emulateMedia({ media: 'print', forcedColors: 'active' });
    for (const badge of await page.locator('section .badge').all()) expect(await badge.isVisible()).toBe(true);
    await page.screenshot({ path: `${PICTURES}/status-page-print.png`, fullPage: true });
  });
});
