import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Platform } from '../../client/temporal/platform.ts';
import { startWatcher } from '../../client/temporal/schedules.ts';
import { parseConfiguration } from '../../domain/configuration/parse.ts';
import { exampleWith } from '../domain/configuration/example.ts';
import { startTemporalEnvironment, type TemporalEnvironment } from '../support/temporal-environment.ts';

let environment: TemporalEnvironment;
beforeAll(async () => {
  environment = await startTemporalEnvironment();
});
afterAll(() => environment.close());

function platformOf(...changes: (readonly [string, string])[]): Platform {
  const { configuration } = parseConfiguration(exampleWith(...changes));
  if (configuration === null) throw new Error('the example is not right');
  const temporal = { client: environment.client, ask: <T>(question: () => Promise<T>) => question() };
  return { configuration, site: 'west', temporal } as unknown as Platform;
}

it('replaces the watcher of certificates when the tiers change, and only then', async () => {
  const running = async () => (await environment.client.workflow.getHandle('watch/orders/tls').describe()).runId;
  expect(await startWatcher(platformOf())).toEqual({ id: 'watch/orders/tls', act: 'started' });
  const first = await running();
  expect(await startWatcher(platformOf())).toEqual({ id: 'watch/orders/tls', act: 'unchanged' });
  expect(await running()).toBe(first);
  const moved = platformOf(['    local: { kind', '    disk: { kind']);
  expect(await startWatcher(moved)).toEqual({ id: 'watch/orders/tls', act: 'updated' });
  expect(await running()).not.toBe(first);
  expect(await startWatcher(moved)).toEqual({ id: 'watch/orders/tls', act: 'unchanged' });
});
