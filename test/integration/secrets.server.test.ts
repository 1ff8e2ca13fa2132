import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SYSTEM_NAMES, SYSTEMS } from '../../domain/systems.ts';
import { exposedBy, type Harness, startHarness } from './harness.ts';
import { exposedSecrets } from './secret-places.ts';

let harness: Harness;
const canary = `canary-${randomBytes(12).toString('hex')}`;

beforeAll(async () => {
  harness = await startHarness();
  await writeFile(join(harness.platform.site.configDirectory, 'canary.env'), `TOKEN=${canary}\n`);
  await harness.startWorker();
});
afterAll(() => harness.close());

describe('secrets', () => {
  it('are in no history, log, command line, environment of a child, manifest or stored object', {
    timeout: 300_000,
  }, async () => {
    const exposed: string[] = [];
    const watch = setInterval(() => exposed.push(exposedBy(harness.workerPid())), 20);
    const everything = SYSTEM_NAMES.map((system) => ({ system, kinds: SYSTEMS[system].defaultKinds }));
    const runs = [
      await harness.start('backUpPlatform', 'backup/demo', {
        scheduled: true,
        systems: everything,
        applyRetention: true,
      }),
      await harness.start('verifyBackups', 'verify/demo', {
        ...{
          scheduled: true,
          systems: SYSTEM_NAMES,
          maximumAgeSeconds: {},
          depth: 'presence',
          backup: null,
          all: false,
        },
      }),
    ];
    await runs[0]?.result();
    await runs[1]?.result().catch(() => undefined); // It may find nothing yet; only its words matter here.
    const verify = {
      systems: SYSTEM_NAMES,
      maximumAgeSeconds: {},
      depth: 'proof',
      backup: null,
      all: false,
      scheduled: true,
    };
    await (await harness.start('verifyBackups', 'verify/demo', verify)).result();
    clearInterval(watch);

    const found = await exposedSecrets(harness, {
      places: [{ file: 'command lines and environments of children', bytes: Buffer.from(exposed.join('\n')) }],
      secrets: new Map([['a value of a .env file', canary]]),
    });
    expect(exposed.join('')).toContain('pg_dump'); // The watch saw the children at all.
    expect(found).toEqual([]);
  });
});
