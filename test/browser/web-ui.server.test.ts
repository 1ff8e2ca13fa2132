import { mkdir } from 'node:fs/promises';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTROL_QUEUE, runState } from '../../workflows/messages.ts';
import { startTemporalEnvironment, type TemporalEnvironment } from '../support/temporal-environment.ts';
import { createFakeWorld } from '../workflows/fake-world.ts';

const PICTURES = 'test-results';
const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
const CONTEXT = { platform: 'orders', site: 'west', tiers: ['local'], requestedBy: 'test' };
const RESTORE = {
  ...CONTEXT,
  ...{ scheduled: false, system: 'postgres', dryRun: false },
  request: {
    ...{ backup: { system: 'postgres', backupId: 'newest' }, tier: null, scope: { kind: 'whole', names: {} } },
    ...{ target: 'scratch', expectedIdentity: null, options: {} },
  },
};

let environment: TemporalEnvironment;
let browser: Browser;
const world = createFakeWorld();

beforeAll(async () => {
  await mkdir(PICTURES, { recursive: true });
  environment = await startTemporalEnvironment();
  await environment.serve(['west'], world.activities);
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const arguments_ = [...root, ...QUIET, '--disable-component-update', '--disable-sync'];
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: arguments_ });
});
afterAll(async () => {
  await browser.close();
  await environment.close();
});

// The Web UI shows Markdown in frames of its own.
async function textOfFrames(page: Page): Promise<string> {
  const texts = await Promise.all(
    page.frames().map((frame) =>
      frame
        .locator('body')
        .textContent()
        .catch(() => ''),
    ),
  );
  return texts.join('\n');
}

async function sendUpdate(page: Page, name: string, json: string): Promise<void> {
  await page.getByRole('button', { name: 'More Actions' }).click();
  await page.getByRole('menuitem', { name: 'Send an Update' }).click();
  const dialog = page.locator('dialog#update-confirmation-modal[open]');
  await dialog.getByTestId('update-select-button').click();
  await dialog.getByRole('option', { name: new RegExp(name) }).click();
  await dialog.locator('[data-language=json]').fill(json);
  // The editor lays the text out anew when it loses the focus, which would move the button under the pointer.
  await dialog.getByTestId('update-id').focus();
  await dialog.locator('.cm-line').nth(1).waitFor();
  await page.screenshot({ path: `${PICTURES}/web-ui-answer.png` });
  await dialog.getByTestId('confirm-modal-button').click();
  await dialog.waitFor({ state: 'hidden' });
}

describe('the Temporal Web UI', () => {
  it('tells the story of a restore and takes a person’s answer at its gate', { timeout: 180_000 }, async () => {
    const { client, temporal } = environment;
    const backUp = { ...CONTEXT, scheduled: true, system: 'postgres', kind: 'logical' };
    await client.workflow.execute('backUpSystem', { workflowId: 'backup', taskQueue: CONTROL_QUEUE, args: [backUp] });
    world.break('postgres.runRestoreStep:replace', 'before');
    const workflowId = 'restore/orders/postgres';
    const handle = await client.workflow.start('restoreSystem', {
      workflowId,
      taskQueue: CONTROL_QUEUE,
      args: [RESTORE],
    });
    await expect
      .poll(async () => (await handle.query(runState)).questions.length, { timeout: 30_000, interval: 200 })
      .toBe(1);

    const page = await browser.newPage({ viewport: { width: 1500, height: 1100 } });
    const run = `${temporal.uiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}/${handle.firstExecutionRunId}`;
    await page.goto(`${run}/user-metadata`);
    await expect.poll(() => textOfFrames(page), { timeout: 30_000 }).toContain('A person is needed: replace');
    expect(await textOfFrames(page)).toContain('step validate');
    await page.screenshot({ path: `${PICTURES}/web-ui-question.png` });

    await page.goto(`${run}/history`);
    world.mend();
    await sendUpdate(
      page,
      'resolveStep',
      '{"step":"replace","action":"retry","reason":"the disk was freed","person":"ann"}',
    );
    const result = await handle.result();
    expect(result.report.outcome).toBe('succeeded');
    await page.getByText('Completed', { exact: true }).first().waitFor();
    await page.screenshot({ path: `${PICTURES}/web-ui-done.png` });
  });
});
