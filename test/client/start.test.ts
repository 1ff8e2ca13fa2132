import { expect, test } from 'vitest';
import type { Temporal } from '../../client/temporal/connection.ts';
import { startRun } from '../../client/temporal/start.ts';
import type { RunContext } from '../../workflows/messages.ts';

const temporal = new Proxy({} as Temporal, {
  get: (_, name) => {
    throw new Error(`Temporal was asked for its ${String(name)}`);
  },
});

test('faults 8: what is larger than a message of Temporal is refused before anything is started, with its size', async () => {
  const names = Array.from({ length: 20_000 }, (_, number) => `${'x'.repeat(150)}${number}`);
  const input = { platform: 'shop', site: 'west', tiers: [], requestedBy: 'ann', scheduled: false, names };
  const spec = {
    workflow: 'restoreSystem',
    id: 'restore/shop/config',
    input: input as RunContext,
    summary: '',
    queues: [],
  };
  await expect(startRun(temporal, spec)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/'restore\/shop\/config' was asked for with 3\d{6} bytes/),
  });
});
