// A worker that does the first step of a restore and is then killed by its test. The plan comes as JSON on stdin.
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { createPostgres } from '../../../activities/postgres/index.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const { configuration, workDirectory, scratchUser, backups, plan, stepId } = JSON.parse(await text(process.stdin));
const { writer, reader } = createPlainBackups(backups);
const system = createPostgres({
  platform: 'shop',
  site: 'here',
  configuration,
  workDirectory,
  scratchUser,
  writer,
  reader,
});
await system.runRestoreStep({ plan, stepId, input: {} });
process.stdout.write('ready\n');
await wait(600_000);
