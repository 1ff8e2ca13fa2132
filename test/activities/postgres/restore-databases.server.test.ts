import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RestorePlan } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { storeUser } from '../../../local/servers.ts';
import { type Cluster, contentsOf, ODD, quoted, requestOf, startCluster } from './cluster.ts';

const SHOP = `
  create schema ${quoted(ODD)};
  create type mood as enum ('sad', 'glad');
  create table ${quoted(ODD)}.${quoted(ODD)} (id serial primary key, ${quoted('a "column"')} text not null, m mood, at timestamptz default now());
  insert into ${quoted(ODD)}.${quoted(ODD)} (${quoted('a "column"')}, m) select md5(g::text), 'glad' from generate_series(1, 2000) g;
  create table orders (id bigint generated always as identity primary key, total numeric(12, 2), tags jsonb,
    doubled numeric generated always as (total * 2) stored);
  insert into orders (total, tags) select g * 1.01, jsonb_build_object('n', g) from generate_series(1, 3000) g;
  create table parts (d date, v int) partition by range (d);
  create table parts_2025 partition of parts for values from ('2025-01-01') to ('2026-01-01');
  create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01');
  insert into parts select '2025-06-01'::date + g, g from generate_series(1, 400) g;
  create unlogged table cache (k text, v bytea);
  insert into cache select g::text, decode(md5(g::text), 'hex') from generate_series(1, 50) g;
  create view totals as select sum(total) from orders;
  create materialized view big as select * from orders where total > 100;
  create function twice(int) returns int language sql immutable as 'select $1 * 2';
  create index on orders (twice(id::int));
  select lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'));
  alter database shop set work_mem = '7MB';
  create role app login password 'canary-app-password'; grant connect on database shop to app;
  alter role app in database shop set search_path = 'orders', "$user", public;
  grant select on orders to app`;

describe('restoring databases of a logical backup', () => {
  let cluster: Cluster;
  let taken: TakenBackup;

  beforeAll(async () => {
    cluster = await startCluster({
      shop: SHOP,
      [ODD]:
        'create table t (a int, b text); insert into t select g, repeat(chr(128024), g % 9) from generate_series(1, 5000) g',
    });
    taken = await cluster.backUp('logical');
  });
  afterAll(() => cluster?.end());

  const runAll = async (plan: RestorePlan) => {
    const results = [];
    for (const { id } of plan.steps) results.push(await cluster.system.runRestoreStep({ plan, stepId: id, input: {} }));
    return results;
  };
  const runTwice = async (plan: RestorePlan) => {
    for (const { id } of plan.steps) {
      for (let again = 0; again < 2; again++) await cluster.system.runRestoreStep({ plan, stepId: id, input: {} });
    }
  };
  const scratchPids = async (folder: string) => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(
      pids.map(async (pid) => [pid, await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')]),
    );
    return lines.filter(([, line]) => line?.includes(folder)).map(([pid]) => pid);
  };

  it.each(['custom', 'sql'])(
    'restores every database into scratch from the %s form and finds equal counts and checksums',
    async (form) => {
      const plan = await cluster.system.planRestore(requestOf(taken, { options: { form } }));
      const results = await runAll(plan);
      expect(results.map(({ summary }) => summary).filter((line) => line.includes('all as recorded'))).toHaveLength(3);
      await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
      expect(await readdir(cluster.workDirectory)).toEqual([]);
      expect(await scratchPids(cluster.workDirectory)).toEqual([]);
    },
  );

  it('gives the scratch server no network and no rights beyond its own user', async () => {
    const plan = await cluster.system.planRestore(requestOf(taken));
    await cluster.system.runRestoreStep({ plan, stepId: 'start', input: {} });
    const [pid] = await scratchPids(join(cluster.workDirectory, plan.request.run));
    const interfaces = await readFile(`/proc/${pid}/net/dev`, 'utf8');
    expect(
      interfaces
        .split('\n')
        .slice(2)
        .filter(Boolean)
        .map((line) => line.trim().split(':')[0]),
    ).toEqual(['lo']);
    expect(await readFile(`/proc/${pid}/status`, 'utf8')).not.toMatch(/^Uid:\s+0\b/m);
    await cluster.system.finishRestore({ plan, outcome: 'undone' });
    expect(await scratchPids(cluster.workDirectory)).toEqual([]);
  });

  it('replaces live databases by rename, keeps the old ones, and undoes the swap', async () => {
    const orders = contentsOf('orders');
    const [before] = await cluster.ask('shop', orders);
    await cluster.ask('shop', 'delete from orders where id > 10; create table later (a int)');
    const [damaged] = await cluster.ask('shop', orders);
    const request = requestOf(taken, { target: 'live', scope: { kind: 'database', names: { database: 'shop' } } });
    const plan = await cluster.system.planRestore(request);
    await runTwice(plan);
    expect(await cluster.ask('shop', orders)).toEqual([before]);
    expect(await cluster.ask('shop', 'show work_mem')).toEqual([{ work_mem: '7MB' }]);
    expect(await cluster.ask('shop', `select has_database_privilege('app', 'shop', 'connect') as may`)).toEqual([
      { may: true },
    ]);
    const { kept } = await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    expect(kept).toHaveLength(1);

    for (const { id } of plan.steps.toReversed()) {
      for (let again = 0; again < 2; again++) await cluster.system.undoRestoreStep({ plan, stepId: id, input: {} });
    }
    expect(await cluster.system.finishRestore({ plan, outcome: 'undone' })).toEqual({ kept: [] });
    expect(await cluster.ask('shop', orders)).toEqual([damaged]);
    const names = await cluster.ask<{ datname: string }>(
      'postgres',
      'select datname from pg_database where not datistemplate order by 1',
    );
    expect(names.map(({ datname }) => datname)).toEqual([ODD, 'postgres', 'shop'].sort());
  });

  it('brings back a dropped database and the roles that are missing, and changes no password', async () => {
    await cluster.ask('postgres', `drop database ${quoted(ODD)} with (force)`);
    await cluster.ask('postgres', 'create role reader');
    const before = await cluster.ask('postgres', "select rolpassword from pg_authid where rolname = 'app'");
    const plan = await cluster.system.planRestore(
      requestOf(taken, { target: 'live', scope: { kind: 'database', names: { database: ODD } } }),
    );
    await runAll(plan);
    expect(await cluster.ask(ODD, 'select count(*)::int from t')).toEqual([{ count: 5000 }]);
    expect(await cluster.ask('postgres', "select rolpassword from pg_authid where rolname = 'app'")).toEqual(before);
    expect(await cluster.system.finishRestore({ plan, outcome: 'succeeded' })).toEqual({ kept: [] });
  });

  it('refuses a target of another identity before it touches anything', async () => {
    const request = requestOf(taken, { target: 'live', expectedIdentity: '123' });
    await expect(cluster.system.planRestore(request)).rejects.toMatchObject({ code: 'TARGET_MISMATCH' });
  });

  it('faults 1: the scratch server dies with its worker, and another worker finishes the restore', async () => {
    const plan = await cluster.system.planRestore(requestOf(taken));
    const script = join(import.meta.dirname, 'scratch-worker.ts');
    const worker = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    worker.stdin.end(
      JSON.stringify({
        configuration: cluster.server.configuration,
        workDirectory: cluster.workDirectory,
        scratchUser: storeUser(),
        backups: join(cluster.folder, 'backups'),
        plan,
        stepId: 'start',
      }),
    );
    await once(worker.stdout, 'data');
    expect((await scratchPids(cluster.workDirectory)).length).toBeGreaterThan(0);
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    await expect.poll(() => scratchPids(cluster.workDirectory), { timeout: 10_000 }).toEqual([]);
    for (const { id } of plan.steps.slice(1)) await cluster.system.runRestoreStep({ plan, stepId: id, input: {} });
    await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    expect(await readdir(cluster.workDirectory)).toEqual([]);
  });

  it('refuses to call a restore good when one row is not as recorded', async () => {
    const file = join(cluster.folder, 'backups', 'postgres', taken.facts.backupId, 'sealed', 'manifest.json');
    const manifest = JSON.parse(await readFile(file, 'utf8'));
    const inventory = manifest.artifacts.find(({ role }: { role: string }) => role === 'inventory');
    const path = join(file, '..', inventory.name);
    const original = await readFile(path, 'utf8');
    const changed = original.replace(/"table":"orders",(.*?)"rows":3000/, '"table":"orders",$1"rows":3001');
    expect(changed).not.toBe(original);
    await writeFile(path, changed);
    inventory.storedSha256 = createHash('sha256').update(changed).digest('hex');
    const whole = await readFile(file, 'utf8');
    await writeFile(file, JSON.stringify(manifest));
    const plan = await cluster.system.planRestore(
      requestOf(taken, { scope: { kind: 'database', names: { database: 'shop' } } }),
    );
    await expect(runAll(plan)).rejects.toMatchObject({
      code: 'RESTORE_MISMATCH',
      message: expect.stringContaining('3000 rows instead of 3001'),
    });
    await cluster.system.finishRestore({ plan, outcome: 'undone' });
    await writeFile(path, original);
    await writeFile(file, whole);
  });

  it('refuses a plan that was changed, a part that is not there, and a scope that the kind has not', async () => {
    const plan = await cluster.system.planRestore(requestOf(taken));
    const forged = { ...plan, summary: ['nothing'] };
    await expect(cluster.system.runRestoreStep({ plan: forged, stepId: 'start', input: {} })).rejects.toMatchObject({
      code: 'PLAN_CHANGED',
    });
    const absent = requestOf(taken, { scope: { kind: 'database', names: { database: 'nowhere' } } });
    await expect(cluster.system.planRestore(absent)).rejects.toMatchObject({ code: 'PART_NOT_FOUND' });
    const queue = requestOf(taken, { scope: { kind: 'queue', names: {} } });
    await expect(cluster.system.planRestore(queue)).rejects.toMatchObject({ code: 'USAGE' });
  });
});
