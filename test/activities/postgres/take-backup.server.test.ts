import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPostgres } from '../../../activities/postgres/index.ts';
import { withScope } from '../../../activities/shared/activity-context.ts';
import type { SystemConfiguration } from '../../../domain/configuration/schema.ts';
import type { BackupWriter, ByteSource } from '../../../domain/contracts/backup-content.ts';
import type { TakeBackupInput } from '../../../domain/contracts/protected-system.ts';
import { storeUser } from '../../../local/servers.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';
import { type Cluster, requestOf, startCluster } from './cluster.ts';
import { gated } from './gate.ts';

const inputOf = (kind: string): TakeBackupInput => ({
  site: 'here',
  backup: { system: 'postgres', backupId: `20261123t000000z-${kind}-${randomUUID().slice(0, 6)}` },
  kind,
  run: randomUUID(),
});

const runArgv = ([command = '', ...args]: readonly string[]) => promisify(execFile)(command, args);

interface Child {
  readonly pid: number;
  readonly commandLine: string;
  readonly environment: string;
}

async function childrenNamed(part: string): Promise<Child[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(
    pids.map(async (pid) => {
      const [stat, commandLine, environment] = await Promise.all(
        ['stat', 'cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      );
      const parent = Number(stat?.split(') ')[1]?.split(' ')[1]);
      return { pid: Number(pid), parent, commandLine: commandLine ?? '', environment: environment ?? '' };
    }),
  );
  return all.filter(({ parent, commandLine }) => parent === process.pid && commandLine.includes(part));
}

describe('taking a backup', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({
      shop: `create table big (id int primary key, t text);
        insert into big select g, repeat(md5(g::text), 20) from generate_series(1, 20000) g`,
    });
  });
  afterAll(() => cluster?.end());

  const systemWith = (writer: BackupWriter, changes: Partial<SystemConfiguration<'postgres'>> = {}) =>
    createPostgres({
      platform: 'shop',
      site: 'here',
      configuration: { ...cluster.server.configuration, ...changes },
      workDirectory: cluster.workDirectory,
      scratchUser: storeUser(),
      writer,
      reader: cluster.backups.reader,
    });
  const leftOf = async ({ backup }: TakeBackupInput) => {
    const folder = join(cluster.folder, 'backups', 'postgres', backup.backupId);
    return [...(await readdir(folder)), ...(await readdir(cluster.workDirectory))];
  };

  it('counts in the snapshot of the dump, whatever is written meanwhile', async () => {
    const gate = gated(cluster.backups.writer, 'database-0002.dump');
    const input = inputOf('logical');
    const taking = systemWith(gate.writer).takeBackup(input);
    await gate.reached;
    await cluster.ask('shop', 'delete from big where id > 10000');
    gate.open();
    const taken = await taking;
    expect(taken.facts.counts.rows).toBe(20_000);
    await cluster.backups.sealTaken(taken);
    const plan = await cluster.system.planRestore(requestOf(taken));
    for (const { id } of plan.steps) await cluster.system.runRestoreStep({ plan, stepId: id, input: {} });
    await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    expect(await cluster.system.takeBackup(input)).toEqual(taken);
  });

  it.each([
    ['logical', 'database-0002.dump', 'pg_dump'],
    ['physical', 'base.tar', 'pg_basebackup'],
  ])(
    'faults 1: a killed child in the middle of a %s backup leaves nothing that counts as done',
    async (kind, artifact, tool) => {
      const gate = gated(cluster.backups.writer, artifact);
      const input = inputOf(kind);
      const taking = systemWith(gate.writer).takeBackup(input);
      taking.catch(() => undefined);
      await gate.reached;
      const [child] = await childrenNamed(`${tool}\0`);
      process.kill(child?.pid ?? 0, 'SIGKILL');
      gate.open();
      await expect(taking).rejects.toMatchObject({ code: 'TOOL_FAILED' });
      expect(await leftOf(input)).toEqual([]);
      expect((await cluster.system.takeBackup(input)).facts.backupId).toBe(input.backup.backupId);
      expect(await cluster.ask('shop', 'select * from pg_replication_slots')).toEqual([]);
    },
  );

  it('faults 13: lets go of WAL at the source when a slow base backup holds back more than is allowed', async () => {
    const gate = gated(cluster.backups.writer, 'base.tar');
    const taking = systemWith(gate.writer, { walKeepLimitBytes: 16_777_216 }).takeBackup(inputOf('physical'));
    taking.catch(() => undefined);
    await gate.reached;
    const slots = () => cluster.ask('shop', 'select temporary from pg_replication_slots');
    expect(await slots()).toEqual([{ temporary: true }]);
    for (const id of [1, 2]) {
      await cluster.ask(
        'shop',
        `create table written_${id} as select 1; select pg_switch_wal(); drop table written_${id}`,
      );
    }
    await expect.poll(slots, { timeout: 60_000, interval: 100 }).toEqual([]);
    gate.open();
    expect((await taking).facts.kind).toBe('physical');
  });

  it('faults 37: sees an archive_command that fails, and one that says stored and stores nothing', async () => {
    const archive = join(cluster.folder, 'archive');
    await mkdir(archive);
    const [stop, start] = [cluster.server.configuration.service?.stop, cluster.server.configuration.service?.start];
    const set = async (command: string, restart = false) => {
      await cluster.ask('shop', `alter system set archive_command = '${command}'`);
      await cluster.ask('shop', 'alter system set archive_mode = on');
      await cluster.ask('shop', 'select pg_reload_conf()');
      for (const argv of restart ? [stop, start] : []) await runArgv(argv ?? []);
    };
    const system = systemWith(cluster.backups.writer, { archiveDirectory: archive });
    const look = async () =>
      (await system.inspect({ site: 'here', kinds: [] })).findings
        .filter(({ subject }) => subject === 'WAL archive')
        .map(({ level, message }) => `${level}: ${message}`)
        .join();
    const writeWal = () => cluster.ask('shop', 'create table w as select 1; select pg_switch_wal(); drop table w');
    const generous = { timeout: 60_000, interval: 200 };

    await set('false', true);
    await writeWal();
    await expect.poll(look, generous).toContain('warning: archiving fails at');
    await set('true');
    await writeWal();
    await expect.poll(look, generous).toContain('it is not there');
    const [{ name } = { name: '' }] = await cluster.ask<{ name: string }>(
      'shop',
      'select last_archived_wal as name from pg_stat_archiver',
    );
    await writeFile(join(archive, `${name}.zst`), 'stored');
    expect(await look()).toBe('');
    await cluster.ask('shop', 'alter system reset archive_mode');
    for (const argv of [stop, start]) await runArgv(argv ?? []);
  });

  it('faults 1: a cancelled backup ends its children and leaves nothing', async () => {
    const gate = gated(cluster.backups.writer, 'database-0002.dump');
    const cancel = new AbortController();
    const input = inputOf('logical');
    const taking = withScope({ signal: cancel.signal, progress: null }, () =>
      systemWith(gate.writer).takeBackup(input),
    );
    taking.catch(() => undefined);
    await gate.reached;
    cancel.abort(new Error('cancelled by a test'));
    gate.open();
    await expect(taking).rejects.toThrow('cancelled by a test');
    expect(await leftOf(input)).toEqual([]);
    expect(await childrenNamed('pg_')).toEqual([]);
  });

  it.each([
    ['logical', 'database-0002.dump'],
    ['physical', 'base.tar'],
  ])('keeps the password out of the arguments and the environment of every child (%s)', async (kind, artifact) => {
    const gate = gated(cluster.backups.writer, artifact);
    const taking = systemWith(gate.writer).takeBackup(inputOf(kind));
    await gate.reached;
    const children = await childrenNamed('pg_');
    gate.open();
    await taking;
    expect(children.length).toBeGreaterThan(0);
    for (const { commandLine, environment } of children) {
      expect(commandLine + environment).not.toContain(cluster.server.password);
      expect(environment).not.toContain('PGPASSWORD');
    }
    expect(await readdir(cluster.workDirectory)).toEqual([]);
  });

  it('does not wait for a lock when its dump has ended', async () => {
    const locked = cluster.ask('shop', 'begin; lock table big; select pg_sleep(60)').catch(() => undefined);
    const input = inputOf('logical');
    const taking = cluster.system.takeBackup(input);
    taking.catch(() => undefined);
    let child: Child | undefined;
    while (!child) {
      [child] = (await childrenNamed('pg_dump\0')).filter(({ commandLine }) => commandLine.includes("dbname='shop'"));
      await wait(10);
    }
    process.kill(child.pid, 'SIGKILL');
    await expect(taking).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    await cluster.ask(
      'postgres',
      "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()",
    );
    await locked;
  });

  it('names what is wrong: password, reachability, missing tool, version that does not fit', async () => {
    const secret = join(cluster.folder, 'wrong.password');
    await writeFile(secret, 'wrong\n', { mode: 0o600 });
    const bin = join(cluster.folder, 'bin');
    await mkdir(bin);
    const take = (changes: Partial<SystemConfiguration<'postgres'>>) =>
      systemWith(cluster.backups.writer, changes).takeBackup(inputOf('logical'));
    await expect(take({ password: `\${file:${secret}}` })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(take({ port: 1 })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    await expect(take({ binDirectory: bin })).rejects.toMatchObject({ code: 'TOOL_MISSING' });
    for (const name of ['pg_dump', 'pg_dumpall', 'pg_restore']) {
      await writeFile(join(bin, name), '#!/bin/sh\necho "tool (PostgreSQL) 9.6.1"\n');
      await chmod(join(bin, name), 0o755);
    }
    await expect(take({ binDirectory: bin })).rejects.toMatchObject({ code: 'VERSION_UNFIT' });
  });

  it('finds what a role lacks and which databases refuse connections', async () => {
    await cluster.ask('postgres', "create role weak login password 'weak-password'");
    await cluster.ask('postgres', 'create database closed allow_connections false');
    const secret = join(cluster.folder, 'weak.password');
    await writeFile(secret, 'weak-password\n', { mode: 0o600 });
    const system = systemWith(cluster.backups.writer, { user: 'weak', password: `\${file:${secret}}` });
    const { findings } = await system.inspect({ site: 'here', kinds: [] });
    const failed = findings.filter(({ level }) => level === 'failed');
    expect(failed.map(({ mend }) => mend)).toEqual([
      'GRANT pg_read_all_data TO "weak"',
      'ALTER ROLE "weak" REPLICATION',
    ]);
    expect(findings.some(({ subject, level }) => subject === 'database "closed"' && level === 'warning')).toBe(true);
    await cluster.ask('postgres', 'drop database closed');
  });

  it('takes a cluster of several tablespaces through staging and restores it into scratch', async () => {
    const place = join(cluster.server.dataDirectory, '..', 'more');
    await mkdir(place, { mode: 0o700 });
    const { uid, gid } = await stat(cluster.server.dataDirectory);
    await chown(place, uid, gid);
    await cluster.ask('shop', `create tablespace more location '${place}'`);
    await cluster.ask('shop', 'create table elsewhere tablespace more as select g from generate_series(1, 700) g');
    await cluster.ask('shop', "select pg_create_physical_replication_slot('standby')");
    const taken = await cluster.backUp('physical');
    await cluster.ask('shop', "select pg_drop_replication_slot('standby')");
    expect(taken.facts.warnings).toContainEqual(expect.stringContaining('"standby" is not in this backup'));
    expect(taken.facts.artifacts.map(({ role }) => role).sort()).toEqual([
      'base',
      'base-manifest',
      'inventory',
      'tablespace',
    ]);
    const plan = await cluster.system.planRestore(requestOf(taken));
    await cluster.system.runRestoreStep({ plan, stepId: 'unpack', input: {} });
    const { facts } = await cluster.system.runRestoreStep({ plan, stepId: 'validate', input: {} });
    const [{ rows } = { rows: -1 }] = await cluster.ask<{ rows: number }>(
      'shop',
      'select count(*)::int as rows from big',
    );
    expect(facts.rows).toBe(rows + 700);
    await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    await cluster.ask('shop', 'drop table elsewhere');
    await cluster.ask('shop', 'drop tablespace more');
    expect(await readdir(cluster.workDirectory)).toEqual([]);
  });
});

describe('checking a stored backup', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ shop: 'create table t as select generate_series(1, 20000) g' });
  });
  afterAll(() => cluster?.end());

  const flip = async (path: string, position: number) => {
    const file = await open(path, 'r+');
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, position);
    await file.close();
  };

  it.each([
    ['logical', 'database-0002.dump'],
    ['logical', 'database-0002.sql'],
    ['physical', 'base.tar'],
  ])('faults 22: one flipped bit in a %s backup (%s) is found', async (kind, name) => {
    const { facts } = await cluster.backUp(kind);
    const check = () =>
      cluster.system.checkBackup({
        site: 'here',
        backup: { system: 'postgres', backupId: facts.backupId },
        tier: null,
        run: randomUUID(),
      });
    expect((await check()).findings.every(({ level }) => level === 'ok')).toBe(true);
    const artifact = facts.artifacts.find((one) => one.name === name);
    await flip(
      join(cluster.folder, 'backups', 'postgres', facts.backupId, 'sealed', name),
      Math.floor((artifact?.plainBytes ?? 0) / 2),
    );
    const failed = (await check()).findings.filter(({ level }) => level === 'failed');
    expect(failed.map(({ code }) => code)).toEqual(['ARTIFACT_DAMAGED']);
    expect(await readdir(cluster.workDirectory)).toEqual([]);
  });

  it('faults 22: a base backup that differs from its own manifest is found even when the stored hash fits', async () => {
    const backups = createPlainBackups(join(cluster.folder, 'other'));
    const configuration = cluster.server.configuration;
    const system = createPostgres({
      platform: 'shop',
      site: 'here',
      configuration,
      workDirectory: cluster.workDirectory,
      scratchUser: storeUser(),
      ...damaging(backups),
    });
    const input = inputOf('physical');
    await backups.sealTaken(await system.takeBackup(input));
    const { findings } = await system.checkBackup({
      site: 'here',
      backup: input.backup,
      tier: null,
      run: randomUUID(),
    });
    expect(findings.filter(({ level }) => level === 'failed').map(({ code }) => code)).toEqual(['ARTIFACT_DAMAGED']);
  });
});

/** A writer that stores one byte of the base backup's data differently from what it was given. */
function damaging({ writer, reader }: ReturnType<typeof createPlainBackups>) {
  async function* damaged(source: ByteSource): ByteSource {
    let passed = 0;
    for await (const chunk of source) {
      const at = 3_000_000 - passed;
      passed += chunk.byteLength;
      if (at >= 0 && at < chunk.byteLength) chunk[at] = (chunk[at] ?? 0) ^ 1;
      yield chunk;
    }
  }
  const begin: BackupWriter['begin'] = async (ref) => {
    const backup = await writer.begin(ref);
    if ('alreadyTaken' in backup) return backup;
    return {
      ...backup,
      addArtifact: (spec, source) => backup.addArtifact(spec, spec.role === 'base' ? damaged(source) : source),
    };
  };
  return { writer: { begin }, reader };
}
