import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RestorePlan } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { type Cluster, contentsOf, ODD, quoted, requestOf, startCluster } from './cluster.ts';

const TABLE = `${quoted(ODD)}.${quoted(ODD)}`;

describe('restoring one table', () => {
  let cluster: Cluster;
  const taken: Record<string, TakenBackup> = {};

  beforeAll(async () => {
    cluster = await startCluster({
      shop: `create schema ${quoted(ODD)};
        create type mood as enum ('sad', 'glad');
        create table ${TABLE} (id serial primary key, ${quoted('a "b"')} text, m mood[], j json, double int generated always as (id * 2) stored);
        insert into ${TABLE} (${quoted('a "b"')}, m, j) select repeat(E'\\t\\n\\\\', g % 3) || g, '{sad,glad}', '{"a": 1}' from generate_series(1, 500) g;
        create table logs (at timestamptz, what text);
        insert into logs select '2026-01-01'::timestamptz + g % 7 * interval '1 min', 'same' from generate_series(1, 100) g;
        create table customers (id int primary key, name text);
        insert into customers select g, 'customer ' || g from generate_series(1, 50) g;
        create table invoices (id int primary key, customer int references customers on delete cascade);
        insert into invoices select g, g from generate_series(1, 20) g;
        create index names on customers (name); create view everyone as select * from customers;
        create table watched (id int primary key); insert into watched values (1)`,
    });
    for (const kind of ['logical', 'physical']) taken[kind] = await cluster.backUp(kind);
  });
  afterAll(() => cluster?.end());

  const planFor = (schema: string, table: string, kind = 'logical', target: 'live' | 'scratch' = 'live') =>
    cluster.system.planRestore(
      requestOf(taken[kind] as TakenBackup, {
        target,
        scope: { kind: 'table', names: { database: 'shop', schema, table } },
      }),
    );
  const run = (plan: RestorePlan) =>
    cluster.system.runRestoreStep({ plan, stepId: plan.steps[0]?.id ?? '', input: {} });
  const undo = (plan: RestorePlan) =>
    cluster.system.undoRestoreStep({ plan, stepId: plan.steps[0]?.id ?? '', input: {} });
  const finish = (plan: RestorePlan) => cluster.system.finishRestore({ plan, outcome: 'succeeded' });
  const oidOf = (table: string) => cluster.ask('shop', `select '${table.replaceAll("'", "''")}'::regclass::oid`);

  it.each(['logical', 'physical'])(
    'shows the difference, replaces the rows in place and undoes it, from a %s backup',
    async (kind) => {
      const contents = contentsOf(TABLE);
      const [before] = await cluster.ask('shop', contents);
      const oid = await oidOf(TABLE);
      await cluster.ask(
        'shop',
        `delete from ${TABLE} where id between 11 and 30; update ${TABLE} set j = '{}' where id <= 10;
      insert into ${TABLE} (j) values ('[]'), ('[]'), ('[]')`,
      );
      const [damaged] = await cluster.ask('shop', contents);
      const plan = await planFor(ODD, ODD, kind);
      expect(plan.difference).toMatchObject({ added: 20, changed: 10, removed: 3 });
      expect(await cluster.ask('shop', contents)).toEqual([damaged]);
      for (const _ of [1, 2]) await run(plan);
      expect(await cluster.ask('shop', contents)).toEqual([before]);
      expect(await oidOf(TABLE)).toEqual(oid);
      expect((await finish(plan)).kept).toHaveLength(1);
      const again = await planFor(ODD, ODD, kind);
      expect(again.difference).toMatchObject({ added: 0, changed: 0, removed: 0 });
      await finish(again);
      for (const _ of [1, 2]) await undo(plan);
      expect(await cluster.ask('shop', contents)).toEqual([damaged]);
      await cluster.ask('shop', `delete from ${TABLE} where id > 500`);
      const last = await planFor(ODD, ODD, kind);
      await run(last);
      await finish(last);
      expect(await cluster.ask('shop', contents)).toEqual([before]);
    },
  );

  it('replaces rows of a table without a key as often as each is there', async () => {
    const contents = contentsOf('logs');
    const [before] = await cluster.ask('shop', contents);
    await cluster.ask(
      'shop',
      "delete from logs where ctid in (select ctid from logs limit 40); insert into logs values (now(), 'new')",
    );
    const plan = await planFor('public', 'logs');
    expect(plan.difference).toMatchObject({ added: 40, removed: 1 });
    await run(plan);
    expect(await cluster.ask('shop', contents)).toEqual([before]);
    await finish(plan);
  });

  it('refuses when the live table changed after the plan', async () => {
    const plan = await planFor('public', 'logs');
    await cluster.ask('shop', "insert into logs values (now(), 'late')");
    await expect(run(plan)).rejects.toMatchObject({ code: 'PLAN_CHANGED' });
    await cluster.ask('shop', "delete from logs where what = 'late'");
    await undo(plan);
    await finish(plan);
  });

  it('refuses triggers, rows elsewhere that would break, and a changed definition, with the list', async () => {
    await cluster.ask(
      'shop',
      `insert into customers values (60, 'new'); insert into invoices values (60, 60);
      create function f() returns trigger language plpgsql as 'begin return new; end';
      create trigger "on change" before insert on watched for each row execute function f()`,
    );
    await expect(planFor('public', 'customers')).rejects.toMatchObject({
      code: 'TARGET_UNSAFE',
      message: expect.stringContaining('"invoices_customer_fkey"'),
    });
    await expect(planFor('public', 'watched')).rejects.toMatchObject({
      code: 'TARGET_UNSAFE',
      message: expect.stringContaining('"on change"'),
    });
    await cluster.ask('shop', 'drop trigger "on change" on watched; alter table watched add column extra int');
    await expect(planFor('public', 'watched')).rejects.toMatchObject({
      code: 'TARGET_UNSAFE',
      message: expect.stringContaining('"extra"'),
    });
    await cluster.ask('shop', 'delete from invoices where id = 60; delete from customers where id = 60');
  });

  it.each(['logical', 'physical'])(
    'brings back a dropped table with its indexes, and says what it cannot bring, from a %s backup',
    async (kind) => {
      const [before] = await cluster.ask('shop', contentsOf('customers'));
      await cluster.ask('shop', 'drop table customers cascade');
      const plan = await planFor('public', 'customers', kind);
      expect(plan.warnings.join('\n')).toMatch(/everyone/);
      for (const _ of [1, 2]) await run(plan);
      expect(await cluster.ask('shop', contentsOf('customers'))).toEqual([before]);
      expect(
        await cluster.ask('shop', "select indexname from pg_indexes where tablename = 'customers' order by 1"),
      ).toEqual([{ indexname: 'customers_pkey' }, { indexname: 'names' }]);
      for (const _ of [1, 2]) await undo(plan);
      expect(await cluster.ask('shop', "select to_regclass('customers') as there")).toEqual([{ there: null }]);
      await run(plan);
      await finish(plan);
    },
  );

  it('loads one table into scratch and compares it', async () => {
    const plan = await planFor(ODD, ODD, 'logical', 'scratch');
    expect((await run(plan)).facts).toMatchObject({ rows: 500 });
    await finish(plan);
  });

  it('refuses an unlogged table of a base backup and a table that is not there', async () => {
    await expect(planFor('public', 'nothing')).rejects.toMatchObject({ code: 'PART_NOT_FOUND' });
  });
});
