// What the figures were measured on.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { findProgram, storePrograms } from '../local/programs.ts';

const run = promisify(execFile);

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryMib: number;
  readonly system: string;
  /** Load of the last minute before the first measurement: a quiet machine has about 0. */
  readonly loadBefore: number;
}

export async function describeMachine(): Promise<Machine> {
  const named = /^PRETTY_NAME="(.*)"$/m.exec(await readFile('/etc/os-release', 'utf8').catch(() => ''))?.[1];
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryMib: Math.round(totalmem() / 1024 / 1024),
    system: `${named ?? 'Linux'}, kernel ${release()}`,
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** First version number that each program tells of itself. */
export async function describeVersions(): Promise<Readonly<Record<string, string>>> {
  const asked: readonly (readonly [string, string, readonly string[]])[] = [
    ['PostgreSQL', `${storePrograms().postgres}/postgres`, ['--version']],
    ['pgBackRest', 'pgbackrest', ['version']],
    ['Redis', 'redis-server', ['--version']],
    ['RabbitMQ', 'dpkg-query', ['--showformat', '${Version}', '--show', 'rabbitmq-server']],
    ['zstd', 'zstd', ['--version']],
    ['OpenSSL', 'openssl', ['version']],
    ['Temporal CLI', 'go', ['version', '-m', findProgram('temporal')]],
    ['versitygw', 'go', ['version', '-m', findProgram('versitygw')]],
  ];
  const told = asked.map(async ([name, command, args]) => [name, await versionOf(command, args)] as const);
  return { 'Node.js': process.versions.node, ...Object.fromEntries(await Promise.all(told)) };
}

async function versionOf(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(command, [...args]).catch(() => ({ stdout: '' }));
  // A program built with Go knows its module's version better than its own.
  return /^\s+mod\s+\S+\s+v(\S+)/m.exec(stdout)?.[1] ?? /\d+(\.\d+)+/.exec(stdout)?.[0] ?? 'unknown';
}
