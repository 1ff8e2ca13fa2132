import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { backUp, ownFolder, restoreRequest } from '../../support/file-systems.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const FILES = 20_000;
const FOLDERS = 20;
const FAR_BELOW_A_MESSAGE = 64 * 1024;

test('faults 8: 20,000 files and an inventory of more than 3 MiB go through a run as references and counts', {
  timeout: 600_000,
}, async () => {
  const folder = await ownFolder('/dev/shm');
  const [root, workDirectory] = [join(folder, 'etc'), join(folder, 'work')];
  for (let number = 0; number < FOLDERS; number += 1) {
    const below = join(root, `${'long-name-of-a-folder-'.repeat(4)}${number}`);
    await mkdir(below, { recursive: true });
    const names = Array.from({ length: FILES / FOLDERS }, (_, file) => join(below, `${'x'.repeat(80)}${file}`));
    await Promise.all(names.map((name) => writeFile(name, '')));
  }
  const backups = createPlainBackups(join(folder, 'backups'));
  const configuration = { root, patterns: ['**/*'], exclude: [] };
  const deps = { platform: 'shop', site: 'west', configuration, workDirectory, scratchUser: undefined };
  const config = createConfig({ ...deps, ownFile: undefined, ...backups });
  const taken = await backUp(config, backups, 'config', 'b1');
  expect(taken.facts.counts.files).toBe(FILES);
  const inventory = taken.facts.artifacts.find(({ role }) => role === 'inventory');
  expect(inventory?.plainBytes).toBeGreaterThan(3 * 1024 * 1024);
  await rm(root, { recursive: true });
  const plan = await config.planRestore(restoreRequest('config'));
  expect(plan.difference).toMatchObject({ added: FILES + FOLDERS });
  for (const passed of [taken, plan]) expect(JSON.stringify(passed).length).toBeLessThan(FAR_BELOW_A_MESSAGE);
});
