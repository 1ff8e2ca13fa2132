import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { type Cluster, requestOf, startCluster } from './cluster.ts';
import { ODD_THINGS } from './odd-things.ts';

describe('odd data of PostgreSQL', () => {
  let cluster: Cluster;
  const taken: Record<string, TakenBackup> = {};

  beforeAll(async () => {
    cluster = await startCluster({
      'odd db': ODD_THINGS,
      blank: 'select 1',
      pattern: 'create table kept (id int); insert into kept select generate_series(1, 7)',
      closed: 'create table gone (id int)',
    });
    await cluster.ask('postgres', 'alter database pattern is_template true');
    await cluster.ask('postgres', 'alter database closed allow_connections false');
    for (const kind of ['logical', 'physical']) taken[kind] = await cluster.backUp(kind);
  });
  afterAll(() => cluster?.end());

  const restore = async (backup: TakenBackup, options: Record<string, string>) => {
    const plan = await cluster.system.planRestore(requestOf(backup, { options }));
    const results = [];
    for (const { id } of plan.steps) results.push(await cluster.system.runRestoreStep({ plan, stepId: id, input: {} }));
    await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    return results.map(({ summary }) => summary).join('\n');
  };

  it.each([
    ['logical', {}, 'database "odd db": 18 tables, 324 rows, all as recorded'],
    ['logical', { form: 'sql' }, 'database "odd db": 18 tables, 324 rows, all as recorded'],
    ['physical', {}, '4 databases, 19 tables, 331 rows read out'],
  ])('restores every kind of object from a %s backup %o exactly', async (kind, options, summary) => {
    const backup = taken[kind] as TakenBackup;
    const ref = { system: 'postgres' as const, backupId: backup.facts.backupId };
    const report = await cluster.system.checkBackup({ backup: ref, tier: null, run: `check-${kind}`, site: 'here' });
    expect(report.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(await restore(backup, options)).toContain(summary);
  });

  it('holds the databases that are templates, and says which it cannot enter', () => {
    for (const { facts } of Object.values(taken)) {
      expect(facts.counts.databases).toBe(4);
      expect(facts.warnings.join()).toContain('"closed"');
    }
  });

  it('restores a template and a read-only database over the live ones, twice, with their comments', async () => {
    const facts = `select datname, datistemplate, shobj_description(oid, 'pg_database') as comment from pg_database
      where datname in ('odd db', 'pattern') order by 1`;
    const before = await cluster.ask('postgres', facts);
    for (const database of ['pattern', 'odd db']) {
      const scope = { kind: 'database' as const, names: { database } };
      const request = requestOf(taken.logical as TakenBackup, { target: 'live', scope });
      const plan = await cluster.system.planRestore(request);
      for (const { id } of plan.steps) {
        for (const _ of [1, 2]) await cluster.system.runRestoreStep({ plan, stepId: id, input: {} });
      }
      await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    }
    expect(await cluster.ask('postgres', facts)).toEqual(before);
    expect(await cluster.ask('pattern', 'select count(*)::int as n from kept')).toEqual([{ n: 7 }]);
    expect(await cluster.ask('odd db', 'select count(*)::int as n from ddl_log')).toEqual(
      await cluster.ask('odd db', "select count(*)::int as n from ddl_log where what <> 'DROP EXTENSION'"),
    );
  });

  it('finds a backup taken under constant writes exact, sequences included', async () => {
    await cluster.ask('blank', 'create table busy (id serial, t text default repeat($$x$$, 100))');
    let isOver = false;
    const writing = (async () => {
      while (!isOver) await cluster.ask('blank', 'insert into busy select from generate_series(1, 20)');
    })();
    const backup = await cluster.backUp('logical');
    isOver = true;
    await writing;
    expect(await restore(backup, {})).toContain('database "blank": 1 tables');
  });
});
