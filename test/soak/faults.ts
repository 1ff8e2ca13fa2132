// What is done to the platform while it works. Each fault ends by itself: `strike` returns when the cause is gone, and
// what it leaves is for the product to deal with.
import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { BackupRef } from '../../domain/manifest.ts';
import { descendantsOf } from '../../local/processes.ts';
import type { Harness } from '../integration/harness.ts';
import type { Chance } from './chance.ts';

const run = promisify(execFile);

export interface SoakFault {
  readonly name: string;
  /** Rows of the fault table that it stands for. */
  readonly rows: readonly number[];
  /** Does it and takes it back. @returns what exactly was struck. */
  strike(harness: Harness, chance: Chance): Promise<string>;
}

export const FAULTS: readonly SoakFault[] = [
  {
    name: 'the worker is killed',
    rows: [1, 3],
    strike: async (harness) => {
      const pid = harness.workerPid();
      await harness.endWorker('SIGKILL');
      await harness.startWorker();
      return `process ${pid}`;
    },
  },
  {
    name: 'the worker stands still beyond its heartbeat',
    rows: [2],
    strike: async (harness, chance) => {
      const [pid, seconds] = [harness.workerPid(), 5 + chance.next(40)];
      await frozen(pid, seconds);
      return `process ${pid} for ${seconds} s`;
    },
  },
  {
    name: 'the Temporal server is killed',
    rows: [4, 5],
    strike: async ({ platform }, chance) => {
      const seconds = chance.next(10);
      await platform.ownTemporal?.stop('SIGKILL');
      await wait(seconds * 1000);
      await platform.ownTemporal?.start();
      return `for ${seconds} s`;
    },
  },
  {
    name: 'a child process is killed',
    rows: [1],
    strike: async (harness, chance) => {
      const children = descendantsOf(harness.workerPid());
      if (children.length === 0) return 'none was running';
      const victim = chance.pick(children);
      const { stdout } = await run('ps', ['-o', 'comm=', '-p', String(victim)]).catch(() => ({ stdout: 'gone' }));
      signal(victim, 'SIGKILL');
      return stdout.trim();
    },
  },
  {
    name: 'the S3 server stands still',
    rows: [16, 17],
    strike: async ({ platform }, chance) => {
      const seconds = 1 + chance.next(10);
      await frozen(platform.s3.pid, seconds);
      return `for ${seconds} s`;
    },
  },
  { name: 'PostgreSQL is restarted', rows: [3], strike: ({ platform }) => restarted(platform.site.postgres) },
  { name: 'Redis is restarted', rows: [3], strike: ({ platform }) => restarted(platform.site.redis) },
  { name: 'RabbitMQ is restarted', rows: [3], strike: ({ platform }) => restarted(platform.site.rabbitmq) },
  {
    name: 'the disk of the spool is full',
    rows: [11],
    strike: async ({ platform }, chance) => {
      const seconds = 3 + chance.next(15);
      const written = await filled(join(platform.directory, 'spool'), seconds);
      return `${written} bytes for ${seconds} s`;
    },
  },
];

async function frozen(pid: number, seconds: number): Promise<void> {
  signal(pid, 'SIGSTOP');
  await wait(seconds * 1000);
  signal(pid, 'SIGCONT');
}

/** A process that has ended meanwhile needs no signal. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

type Restartable = {
  readonly configuration: { readonly service?: { readonly stop: string[]; readonly start: string[] } | undefined };
};

async function restarted({ configuration }: Restartable): Promise<string> {
  const { stop, start } = configuration.service ?? { stop: [], start: [] };
  const started = Date.now();
  for (const [command = '', ...args] of [stop, start]) await run(command, args, { cwd: '/' });
  return `down for ${((Date.now() - started) / 1000).toFixed(1)} s`;
}

/** Fills the file system below `folder`, which is one of the soak's own, and frees it again. */
async function filled(folder: string, seconds: number): Promise<number> {
  const ballast = join(folder, '.ballast');
  await pipeline(createReadStream('/dev/zero'), createWriteStream(ballast, { mode: 0o600 })).catch((error) => {
    if (error.code !== 'ENOSPC') throw error;
  });
  const { size } = await stat(ballast);
  await wait(seconds * 1000);
  await rm(ballast);
  return size;
}

/** Flips one bit in one artifact of one stored backup in the folder tier. `mend` flips it back. */
export async function flipOneBit(repository: string, backup: BackupRef, chance: Chance) {
  const folder = join(repository, 'backups', backup.system, backup.backupId);
  const names = (await readdir(folder)).filter((name) => !/^(key|manifest)/.test(name));
  const file = join(folder, chance.pick(names));
  const { size } = await stat(file);
  const at = chance.next(size);
  const bit = 1 << chance.next(8);
  const flip = async () => {
    const handle = await open(file, 'r+');
    try {
      const byte = Buffer.alloc(1);
      await handle.read(byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ bit;
      await handle.write(byte, 0, 1, at);
      await handle.sync();
    } finally {
      await handle.close();
    }
  };
  await flip();
  return { file, at, mend: flip };
}
