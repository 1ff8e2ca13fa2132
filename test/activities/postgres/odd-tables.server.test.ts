import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RestorePlan } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { type Cluster, contentsOf, requestOf, startCluster } from './cluster.ts';

describe('restoring one odd table in place', () => {
  let cluster: Cluster;
  let taken: TakenBackup;

  beforeAll(async () => {
    cluster = await startCluster({
      shop: `create table customers (id int primary key, name text); insert into customers select g, 'c' from generate_series(1, 9) g;
        create table invoices (id int primary key, customer int references customers on delete cascade);
        insert into invoices select g, g from generate_series(1, 9) g;
        create table codes (code text unique not null, v int); insert into codes values ('a', 1), ('b', 2);
        create table users_of_codes (code text references codes (code) on delete cascade); insert into users_of_codes values ('a');
        create table named (id int primary key, code text unique); insert into named values (7, 'A');
        create table users_of_named (code text references named (code) on delete cascade); insert into users_of_named values ('A');
        create table parted (k int primary key, v text) partition by range (k);
        create table parted_1 partition of parted for values from (0) to (100); insert into parted values (1, 'x');
        create table users_of_parted (k int references parted on delete cascade); insert into users_of_parted values (1);
        create table amounts (n numeric primary key, v text); insert into amounts values (1.00, 'one'), (2.0, 'two');
        create table nothing (); insert into nothing default values; insert into nothing default values;
        create table many (id bigint generated always as identity primary key, a int, b int generated always as (a + 1) stored);
        insert into many (a) select g from generate_series(1, 30) g;
        create table locked (id int primary key, who text); insert into locked values (1, 'a');
        alter table locked enable row level security; alter table locked force row level security;
        alter database shop set default_transaction_read_only = on`,
    });
    await cluster.ask(
      'postgres',
      "create database latin template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'",
    );
    await cluster.ask(
      'latin',
      `create table "tëxt" ("ü" text primary key); insert into "tëxt" values ('ÿ'), ('naïve')`,
    );
    taken = await cluster.backUp('logical');
  });
  afterAll(() => cluster?.end());

  const planFor = (table: string) =>
    cluster.system.planRestore(
      requestOf(taken, {
        target: 'live',
        scope: { kind: 'table', names: { database: 'shop', schema: 'public', table } },
      }),
    );
  const run = (plan: RestorePlan) =>
    cluster.system.runRestoreStep({ plan, stepId: plan.steps[0]?.id ?? '', input: {} });
  const undo = (plan: RestorePlan) =>
    cluster.system.undoRestoreStep({ plan, stepId: plan.steps[0]?.id ?? '', input: {} });
  const finish = (plan: RestorePlan) => cluster.system.finishRestore({ plan, outcome: 'succeeded' });
  const change = (sql: string) => cluster.ask('shop', `begin read write; ${sql}; commit`);
  const contents = async (table: string) => (await cluster.ask('shop', contentsOf(table)))[0];

  it('takes no row of another table along that came to refer to a row after the plan', async () => {
    await change("insert into customers values (60, 'new')");
    const plan = await planFor('customers');
    await change('insert into invoices values (60, 60)');
    await expect(run(plan)).rejects.toMatchObject({
      code: 'TARGET_UNSAFE',
      message: expect.stringContaining('invoices'),
    });
    expect(await cluster.ask('shop', 'select id from invoices where id > 9')).toEqual([{ id: 60 }]);
    await undo(plan);
    await finish(plan);
  });

  it('takes no row along with one that it would have to take out and put in again', async () => {
    await change("update codes set v = 9 where code = 'a'");
    await expect(planFor('codes')).rejects.toMatchObject({ code: 'TARGET_UNSAFE' });
    await change(
      "insert into named values (5, 'B'); update users_of_named set code = 'B'; delete from named where id = 7",
    );
    await change("update named set code = 'A' where id = 5").catch(() => undefined);
    await change(
      "insert into named values (6, 'A'); update users_of_named set code = 'A'; delete from named where id = 5",
    );
    const plan = await planFor('named');
    await expect(run(plan)).rejects.toMatchObject({ code: 'TARGET_UNSAFE' });
    expect(await cluster.ask('shop', 'select code from users_of_named')).toEqual([{ code: 'A' }]);
    await undo(plan);
    await finish(plan);
  });

  it('sees who refers to a partition through its parent', async () => {
    await change("insert into parted values (50, 'new'); insert into users_of_parted values (50)");
    await expect(planFor('parted_1')).rejects.toMatchObject({
      code: 'TARGET_UNSAFE',
      message: expect.stringContaining('users_of_parted'),
    });
    expect(await cluster.ask('shop', 'select count(*)::int as n from users_of_parted')).toEqual([{ n: 2 }]);
  });

  it('brings a table of another encoding back under its name, its rows and when it is gone', async () => {
    const contents = () => cluster.ask('latin', contentsOf('"tëxt"'));
    const before = await contents();
    const scope = { kind: 'table' as const, names: { database: 'latin', schema: 'public', table: 'tëxt' } };
    for (const damage of [`update "tëxt" set "ü" = 'ß' where "ü" = 'ÿ'`, 'drop table "tëxt"']) {
      await cluster.ask('latin', damage);
      const plan = await cluster.system.planRestore(requestOf(taken, { target: 'live', scope }));
      for (const _ of [1, 2]) await run(plan);
      expect(await contents()).toEqual(before);
      await finish(plan);
    }
  });

  it.each([
    ['amounts', "update amounts set n = 1.0; update amounts set v = 'x'; delete from amounts where n = 2"],
    ['nothing', 'delete from nothing where ctid in (select ctid from nothing limit 1)'],
    [
      'many',
      'delete from many where id % 3 = 0; update many set a = -a where id % 3 = 1; insert into many (a) values (99)',
    ],
    ['locked', "insert into locked values (2, 'b')"],
  ])('brings "%s" back to the last row, twice the same, and undoes it', async (table, damage) => {
    const before = await contents(table);
    await change(damage.replace('n = 1.0;', 'n = n::numeric(9, 1) where n = 1;'));
    const damaged = await contents(table);
    const plan = await planFor(table);
    for (const _ of [1, 2]) await run(plan);
    expect(await contents(table)).toEqual(before);
    for (const _ of [1, 2]) await undo(plan);
    expect(await contents(table)).toEqual(damaged);
    await finish(plan);
  });
});
