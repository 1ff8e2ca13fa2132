import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningTemporal, startTemporal, useTemporal } from '../../local/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';

let directory: string;
let temporal: RunningTemporal;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-temporal-'));
  temporal = await startTemporal({ directory });
});

afterAll(async () => {
  await temporal?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: temporal.address });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

test('the server takes our search attributes and its Web UI answers on loopback', async () => {
  const found = await withClient((client) => client.workflow.count("DrPlatform = 'none' AND DrOutcome = 'none'"));
  expect(found.count).toBe(0);
  expect((await fetch(temporal.uiUrl)).status).toBe(200);
  expect(temporal.uiUrl).toMatch(/^http:\/\/127\.0\.0\.1:/);
});

test('a killed server starts again on the same address with its runs', async () => {
  const run = await withClient((client) =>
    client.workflow.start('anything', { taskQueue: 'nobody', workflowId: 'kept', args: [] }),
  );
  const before = { pid: temporal.pid, address: temporal.address, uiUrl: temporal.uiUrl };
  await temporal.stop('SIGKILL');
  await temporal.start();
  const description = await withClient((client) => client.workflow.getHandle('kept').describe());
  expect(description.runId).toBe(run.firstExecutionRunId);
  expect(temporal.pid).not.toBe(before.pid);
  expect([temporal.address, temporal.uiUrl]).toEqual([before.address, before.uiUrl]);
  expect((await stat(temporal.databaseFile)).size).toBeGreaterThan(0);
});

test('a server that runs already is used as it is', async () => {
  await expect(useTemporal(temporal.address)).resolves.toEqual({ address: temporal.address, uiUrl: null });
  expect(Object.keys(SEARCH_ATTRIBUTES)).toHaveLength(5);
});
