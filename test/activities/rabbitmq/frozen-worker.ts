// A worker of its own process group that takes a backup and hangs while the broker is frozen: the test kills it there.
import { createRabbitmq } from '../../../activities/rabbitmq/index.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const { configuration, workDirectory, backups } = JSON.parse(process.argv[2] ?? '{}');
const { writer, reader } = createPlainBackups(backups);
const onFrozen = () => {
  process.stdout.write('frozen\n');
  return new Promise<void>(() => undefined);
};
const system = createRabbitmq({
  ...{ platform: 'test', site: 'here', configuration, workDirectory, scratchUser: undefined, writer, reader, onFrozen },
});
const backup = { system: 'rabbitmq', backupId: 'killed' } as const;
setInterval(() => undefined, 1000);
await system.takeBackup({ site: 'here', backup, kind: 'messages', run: 'killed' });
