// What people write themselves: pg_basebackup into a pipe.
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quoted, timedShell } from '../shell.ts';
import { S3_BUCKET, type Stage } from '../stage.ts';

const program = (name: string) => quoted(fileURLToPath(new URL(`./${name}`, import.meta.url)));

/** Environment that lets PostgreSQL's tools in, with the password in a file. */
export async function postgresEnvironment({ directory, platform }: Stage): Promise<Record<string, string>> {
  const { host, port, user, password } = platform.site.access.postgres;
  const PGPASSFILE = join(await makeFolder(directory), 'pgpass');
  await writeFile(PGPASSFILE, `*:*:*:*:${password}\n`, { mode: 0o600 });
  return { PGPASSFILE, PGHOST: host, PGPORT: String(port), PGUSER: user };
}

async function makeFolder(directory: string): Promise<string> {
  const folder = join(directory, 'contenders');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

const baseBackup = ({ platform }: Stage) =>
  `${quoted(join(platform.site.postgres.binDirectory, 'pg_basebackup'))} --pgdata=- --format=tar --wal-method=fetch --checkpoint=fast --no-password`;

/** `pg_basebackup | zstd -3 | cipher and hash > file`. */
export async function plainPipe(stage: Stage): Promise<() => Promise<number>> {
  const env = await postgresEnvironment(stage);
  const file = join(stage.directory, 'contenders', 'pipe.zst.enc');
  const cipher = `${quoted(process.execPath)} ${program('cipher-process.ts')}`;
  const script = `${baseBackup(stage)} | zstd -3 --quiet --stdout | ${cipher} > ${quoted(file)}`;
  return () => removing(file, () => timedShell({ script, env }));
}

/** `pg_basebackup | gzip | openssl enc > file`, then a copy of the file into S3. */
export async function scriptWay(stage: Stage): Promise<() => Promise<number>> {
  const env = await postgresEnvironment(stage);
  const below = (name: string) => join(stage.directory, 'contenders', name);
  const { s3, authority } = stage;
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  const settings = { Bucket: S3_BUCKET, endpoint, region, credentials: { accessKeyId, secretAccessKey } };
  await writeFile(below('s3.json'), JSON.stringify(settings), { mode: 0o600 });
  await writeFile(below('passphrase'), randomBytes(32).toString('hex'), { mode: 0o600 });
  const file = below('script.tar.gz.enc');
  const cipher = `openssl enc -aes-256-cbc -pbkdf2 -pass file:${quoted(below('passphrase'))}`;
  const copy = `${quoted(process.execPath)} ${program('s3-copy-process.ts')} ${quoted(below('s3.json'))} ${quoted(file)} script.tar.gz.enc`;
  const script = `${baseBackup(stage)} | gzip | ${cipher} > ${quoted(file)}; ${copy}`;
  return () => removing(file, () => timedShell({ script, env: { ...env, NODE_EXTRA_CA_CERTS: authority } }));
}

async function removing(file: string, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}
