// pgBackRest with zst 3 and aes-256-cbc (its only cipher), one process a core, into a folder and into S3 by TLS.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { storeUser } from '../../local/servers.ts';
import { quoted, timedShell } from '../shell.ts';
import { S3_BUCKET, type Stage } from '../stage.ts';
import { postgresEnvironment } from './postgres-pipes.ts';

const run = promisify(execFile);

export interface PgBackRest {
  /** Two full backups, one a repository: it writes one repository a run. @returns their seconds, summed. */
  backUp(): Promise<number>;
  /** The newest backup of the folder into an empty data folder, checked and flushed. @returns seconds. */
  restore(): Promise<number>;
}

export async function preparePgBackRest(stage: Stage): Promise<PgBackRest> {
  const folder = await stage.storeFolder('pgbackrest');
  for (const name of ['posix', 'lock', 'log']) await stage.storeFolder(`pgbackrest/${name}`);
  const file = join(folder, 'pgbackrest.conf');
  const authority = join(folder, 'authority.crt');
  await copyFile(stage.authority, authority);
  await chmod(authority, 0o644);
  await writeFile(file, configurationOf(stage, folder, authority), { mode: 0o600 });
  const { PGPASSFILE = '' } = await postgresEnvironment(stage);
  await copyFile(PGPASSFILE, join(folder, 'pgpass'));
  await giveToStore([file, join(folder, 'pgpass')]);
  const env = { PGPASSFILE: join(folder, 'pgpass') };
  const command = (words: string) =>
    timedShell({ script: `pgbackrest --config=${quoted(file)} --stanza=bench ${words}`, env, asStoreUser: true });
  await command('stanza-create');
  return {
    backUp: async () => (await command(backup(1))) + (await command(backup(2))),
    restore: async () => {
      const target = await stage.storeFolder('pgbackrest/restored');
      const seconds = await command(`--repo=1 --pg1-path=${quoted(target)} restore`);
      await rm(target, { recursive: true, force: true });
      return seconds;
    },
  };
}

const backup = (repository: number) => `--repo=${repository} --type=full --no-archive-check --start-fast backup`;

async function giveToStore(files: readonly string[]): Promise<void> {
  const user = storeUser();
  if (user !== undefined) await run('chown', [`${user}:${user}`, ...files]);
}

function configurationOf({ platform, s3, directory }: Stage, folder: string, authority: string): string {
  const { postgres } = platform.site;
  const { port } = new URL(s3.endpoint);
  const cipher = (n: number) => [
    `repo${n}-cipher-type=aes-256-cbc`,
    `repo${n}-cipher-pass=${randomBytes(32).toString('hex')}`,
  ];
  return `${[
    '[global]',
    ...[`lock-path=${folder}/lock`, `log-path=${folder}/log`, 'log-level-console=error', 'log-level-file=off'],
    ...['compress-type=zst', 'compress-level=3', `process-max=${availableParallelism()}`],
    ...[`repo1-path=${folder}/posix`, 'repo1-retention-full=1', ...cipher(1)],
    ...['repo2-type=s3', 'repo2-path=/pgbackrest', 'repo2-retention-full=1', ...cipher(2)],
    ...[`repo2-s3-bucket=${S3_BUCKET}`, 'repo2-s3-endpoint=localhost', `repo2-storage-port=${port}`],
    ...[`repo2-s3-region=${s3.region}`, 'repo2-s3-uri-style=path', `repo2-storage-ca-file=${authority}`],
    ...[`repo2-s3-key=${s3.accessKeyId}`, `repo2-s3-key-secret=${s3.secretAccessKey}`],
    '[bench]',
    ...[`pg1-path=${postgres.dataDirectory}`, `pg1-port=${postgres.port}`],
    ...[`pg1-socket-path=${join(directory, 'socket')}`, 'pg1-user=postgres'],
  ].join('\n')}\n`;
}
