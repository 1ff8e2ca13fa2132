// Stores many small backups in every tier of a configuration: `node many-backups-process.ts FILE COUNT`.
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { createRepository } from '../../activities/repository/index.ts';
import { configurationSchema } from '../../domain/configuration/schema.ts';
import { store, take } from '../../test/support/repository.ts';

const [, , file = '', count = '0'] = process.argv;
const { platform, repository, witness, activeSite } = configurationSchema.parse(parse(await readFile(file, 'utf8')));
const built = createRepository({ platform, repository, witnessDirectory: witness.directory });
const tiers = Object.keys(repository.tiers);
for (let number = 1; number <= Number(count); number += 1) {
  const backup = { system: 'redis' as const, backupId: `20260101t000000z-rdb-${String(number).padStart(6, '0')}` };
  const taken = await take(built, backup, { 'dump.rdb': Buffer.from(`${number}`) }, { site: activeSite });
  await store(built, taken, tiers, `bench-${number}`);
  await built.activities.clearSpool({ backup });
}
