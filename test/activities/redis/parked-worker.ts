// A worker that stops in the middle of its work and waits to be killed. Arguments: what to do, and what it needs, as JSON
// without secrets.
import { setInterval } from 'node:timers';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RedisDependencies } from '../../../activities/redis/run-folder.ts';
import type { OpenBackup } from '../../../domain/contracts/backup-content.ts';
import type { RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import type { BackupRef } from '../../../domain/manifest.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const [work, needs] = [process.argv[2], process.argv[3]];
const { deps, backupsDirectory, backup, request } = JSON.parse(needs ?? '{}') as {
  deps: RedisDependencies;
  backupsDirectory: string;
  backup?: BackupRef;
  request?: RestoreRequest;
};
setInterval(() => undefined, 1000);
const { writer, reader } = createPlainBackups(backupsDirectory);

const park = (): Promise<never> => {
  process.stdout.write('parked\n');
  return new Promise<never>(() => undefined);
};

const parking: RedisDependencies['writer'] = {
  async begin(ref) {
    const open = (await writer.begin(ref)) as OpenBackup;
    const addArtifact: OpenBackup['addArtifact'] = async (spec, source) =>
      await open.addArtifact(
        spec,
        (async function* () {
          for await (const piece of source) {
            yield piece;
            await park();
          }
        })(),
      );
    return { ...open, addArtifact };
  },
};

if (work === 'take' && backup)
  await createRedis({ ...deps, reader, writer: parking }).takeBackup({
    site: 'west',
    backup,
    kind: backup.backupId.includes('aof') ? 'aof' : 'rdb',
    run: 'killed',
  });
if (work === 'load' && request) {
  const system = createRedis({ ...deps, reader, writer });
  const plan = await system.planRestore(request);
  await system.runRestoreStep({ plan, stepId: 'load', input: {} });
  await park();
}
if (work === 'write' && request) {
  const system = createRedis({ ...deps, reader, writer });
  const plan = await system.planRestore(request);
  for (const { id } of plan.steps) await system.runRestoreStep({ plan, stepId: id, input: {} });
}
