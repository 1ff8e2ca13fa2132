import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { RESTORED_MARK } from '../../../activities/postgres/data-folder.ts';
import type { RestorePlan } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { mountLoopDisk } from '../../support/loop-disk.ts';
import { type Cluster, contentsOf, ODD, quoted, requestOf, startCluster } from './cluster.ts';

describe('restoring a cluster from a base backup', () => {
  let cluster: Cluster;
  let taken: TakenBackup;
  let before: unknown;
  const contents = contentsOf('t');

  beforeAll(async () => {
    const fill = (rows: number) => `create table t (a int primary key, b text); create unlogged table u (a int);
      insert into t select g, md5(g::text) from generate_series(1, ${rows}) g; insert into u values (1)`;
    cluster = await startCluster({ shop: fill(3000), [ODD]: fill(100) });
    await cluster.ask('postgres', "create database sorted template template0 locale_provider icu icu_locale 'de'");
    await cluster.ask('sorted', "create table words (w text primary key); insert into words values ('ä'), ('z')");
    await cluster.ask(
      'sorted',
      "create collation ours (provider = icu, locale = 'sv'); create table w (w text collate ours unique)",
    );
    await cluster.ask('sorted', "update pg_collation set collversion = '1.2' where collname = 'ours'");
    await cluster.ask('sorted', "update pg_database set datcollversion = '1.2' where datname = 'sorted'");
    taken = await cluster.backUp('physical');
  });
  afterAll(() => cluster?.end());

  const run = (plan: RestorePlan, stepId: string) => cluster.system.runRestoreStep({ plan, stepId, input: {} });
  const undo = (plan: RestorePlan, stepId: string) => cluster.system.undoRestoreStep({ plan, stepId, input: {} });

  it('is verified, recovered without network and read out in scratch, and leaves nothing behind', async () => {
    const plan = await cluster.system.planRestore(requestOf(taken));
    await run(plan, 'unpack');
    const { facts } = await run(plan, 'validate');
    expect(facts).toMatchObject({
      databases: 4,
      rows: 3102,
      unlogged: [`"${ODD}"."public"."u"`, '"shop"."public"."u"'],
    });
    await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    expect(await readdir(cluster.workDirectory)).toEqual([]);
  });

  it('replaces the live data folder, keeps the old one, and the undo brings the old one back', async () => {
    [before] = await cluster.ask('shop', contents);
    await cluster.ask('shop', 'delete from t where a > 5');
    const [damaged] = await cluster.ask('shop', contents);
    const plan = await cluster.system.planRestore(requestOf(taken, { target: 'live' }));
    for (const { id } of plan.steps) {
      await run(plan, id);
      if (id !== 'stage') await run(plan, id);
    }
    expect(await cluster.ask('shop', contents)).toEqual([before]);
    expect(await cluster.ask('shop', 'show restore_command')).toEqual([{ restore_command: '' }]);
    expect(await cluster.ask('shop', 'select timeline_id from pg_control_checkpoint()')).toEqual([{ timeline_id: 2 }]);
    const { kept } = await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    expect(kept.map(({ where }) => existsSync(where))).toEqual([true]);

    for (const { id } of plan.steps.toReversed()) for (const _ of [1, 2]) await undo(plan, id);
    expect(await cluster.ask('shop', contents)).toEqual([damaged]);
    expect((await cluster.system.finishRestore({ plan, outcome: 'undone' })).kept).toEqual([]);
  });

  it('restores onto a server whose data folder is gone', async () => {
    await cluster.server.stop();
    await rm(cluster.server.dataDirectory, { recursive: true, force: true });
    const plan = await cluster.system.planRestore(requestOf(taken, { target: 'live' }));
    for (const { id } of plan.steps) await run(plan, id);
    expect(await cluster.ask(ODD, `select count(*)::int from ${quoted('t')}`)).toEqual([{ count: 100 }]);
  });

  it('goes on in a timeline that no earlier restore of the same base backup used', async () => {
    for (const timeline of [3, 4]) {
      const plan = await cluster.system.planRestore(requestOf(taken, { target: 'live' }));
      for (const { id } of plan.steps) await run(plan, id);
      await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
      expect(await cluster.ask('shop', 'select timeline_id from pg_control_checkpoint()')).toEqual([
        { timeline_id: timeline },
      ]);
    }
    expect(await cluster.ask('shop', contents)).toEqual([before]);
  });

  it('faults 39: rebuilds indexes on text that another version of a locale library sorted, and says so', async () => {
    const plan = await cluster.system.planRestore(requestOf(taken));
    await run(plan, 'unpack');
    const { findings } = await run(plan, 'validate');
    await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    expect(findings).toMatchObject([{ level: 'warning', subject: 'database "sorted"' }]);
    const versions = `select datcollversion = pg_database_collation_actual_version(oid) as same, (select bool_and(collversion =
      pg_collation_actual_version(oid)) from pg_collation where collname = 'ours') as ours from pg_database where datname = 'sorted'`;
    expect(await cluster.ask('sorted', versions)).toEqual([{ same: true, ours: true }]);
  });

  it('faults 39: refuses a base backup of another major version before anything is touched', async () => {
    const stored = join(cluster.folder, 'backups', 'postgres', taken.facts.backupId, 'sealed', 'manifest.json');
    const manifest = await readFile(stored, 'utf8');
    await writeFile(stored, manifest.replace(/"version":"\d+/, '"version":"14'));
    for (const target of ['live', 'scratch'] as const)
      await expect(
        cluster.system.planRestore(requestOf(taken, { target })).then((plan) => run(plan, 'unpack')),
      ).rejects.toMatchObject({ code: 'VERSION_UNFIT' });
    await writeFile(stored, manifest);
  });

  it('faults 15: is flushed as a whole before it changes places: a power cut then takes nothing of it', async () => {
    await cluster.server.stop();
    const disk = mountLoopDisk(join(cluster.folder, 'disk'), '512M');
    onTestFinished(() => disk.remove());
    const dataDirectory = join(cluster.folder, 'disk/cluster/data');
    await mkdir(dirname(dataDirectory));
    for (const path of [join(cluster.folder, 'disk'), dirname(dataDirectory)]) await chmod(path, 0o711);
    const system = cluster.systemAt(dataDirectory);
    const plan = await system.planRestore(requestOf(taken, { target: 'live' }));
    for (const stepId of ['stage', 'stop', 'swap']) await system.runRestoreStep({ plan, stepId, input: {} });
    disk.cutPower();
    disk.powerOn();
    const added = ['postgresql.auto.conf', 'recovery.signal', RESTORED_MARK].map((name) => `--ignore=${name}`);
    await promisify(execFile)(join(cluster.server.binDirectory, 'pg_verifybackup'), [...added, dataDirectory]);
    for (const name of ['recovery.signal', RESTORED_MARK]) expect(existsSync(join(dataDirectory, name))).toBe(true);
  });

  it('faults 40: refuses a folder that holds other files than a cluster', async () => {
    await cluster.server.stop();
    const { dataDirectory } = cluster.server;
    await rename(dataDirectory, `${dataDirectory}.away`);
    await mkdir(dataDirectory);
    await writeFile(join(dataDirectory, 'letter.txt'), 'not a cluster');
    const request = requestOf(taken, { target: 'live' });
    await expect(cluster.system.planRestore(request)).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });
    await rm(dataDirectory, { recursive: true });
    await rename(`${dataDirectory}.away`, dataDirectory);
  });

  it('faults 40: refuses a stopped server of another identity', async () => {
    await cluster.server.stop();
    const request = requestOf(taken, { target: 'live', expectedIdentity: '42' });
    await expect(cluster.system.planRestore(request)).rejects.toMatchObject({ code: 'TARGET_MISMATCH' });
  });
});
