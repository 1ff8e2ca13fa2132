import { appendFile, chown, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../../domain/manifest.ts';
import { type Cluster, contentsOf, requestOf, startCluster } from './cluster.ts';

const FILL =
  'create table t (a int primary key, b text); insert into t select g, md5(g::text) from generate_series(1, 20000) g';

describe('incremental base backups', () => {
  let cluster: Cluster;
  let isOlder = false;

  const set = async (setting: string) => {
    await cluster.ask('postgres', `alter system set ${setting}`);
    await cluster.ask('postgres', 'select pg_reload_conf()');
  };
  const restore = async (taken: TakenBackup, changes: Partial<RestoreRequest>) => {
    const plan = await cluster.system.planRestore(requestOf(taken, changes));
    const results = [];
    for (const { id } of plan.steps) results.push(await cluster.system.runRestoreStep({ plan, stepId: id, input: {} }));
    await cluster.system.finishRestore({ plan, outcome: 'succeeded' });
    return results;
  };
  const failuresOf = async ({ facts }: TakenBackup) => {
    const backup = { system: 'postgres' as const, backupId: facts.backupId };
    const run = `check-${facts.backupId}`;
    const { findings } = await cluster.system.checkBackup({ site: 'here', backup, tier: null, run });
    return findings.filter(({ level }) => level === 'failed');
  };
  const useTablespace = async () => {
    const place = join(cluster.server.dataDirectory, '..', 'more=space');
    await mkdir(place, { mode: 0o700 });
    const { uid, gid } = await stat(cluster.server.dataDirectory);
    await chown(place, uid, gid);
    await cluster.ask('postgres', `create tablespace more location '${place}'`);
    await cluster.ask('shop', 'create table elsewhere tablespace more as select generate_series(1, 5000) a');
  };
  const stored = (taken: TakenBackup) => join(cluster.folder, 'backups', 'postgres', taken.facts.backupId, 'sealed');
  const contents = () => cluster.ask('shop', `${contentsOf('t')} union all ${contentsOf('elsewhere')}`);

  beforeAll(async () => {
    cluster = await startCluster({ shop: FILL });
    const [{ version } = { version: '' }] = await cluster.ask<{ version: string }>(
      'postgres',
      "select current_setting('server_version_num') as version",
    );
    isOlder = Number(version) < 170_000;
  });
  afterAll(() => cluster?.end());

  it('are refused early by a server before 17, and by one that does not write down what changes', async () => {
    const code = isOlder ? 'VERSION_UNFIT' : 'STORE_UNFIT';
    const { findings } = await cluster.system.inspect({ site: 'here', kinds: ['incremental'] });
    expect(findings).toContainEqual(expect.objectContaining({ level: 'failed', code }));
    await expect(cluster.backUp('incremental')).rejects.toMatchObject({ code });
  });

  it('hold what changed, come back whole from their chain, and are nothing without it', async () => {
    if (isOlder) return expect(cluster.backUp('incremental')).rejects.toMatchObject({ code: 'VERSION_UNFIT' });
    await set('summarize_wal = on');
    const look = async () => (await cluster.system.inspect({ site: 'here', kinds: ['incremental'] })).findings;
    await expect.poll(look).not.toContainEqual(expect.objectContaining({ level: 'failed' }));
    const alone = await cluster.backUp('incremental');
    expect(alone.facts).toMatchObject({ kind: 'incremental', parents: [] });
    expect(alone.facts.warnings.join()).toContain('everything was taken');
    const whole = await cluster.backUp('physical');
    await cluster.ask('shop', 'update t set b = upper(b) where a % 100 = 0');
    const first = await cluster.backUp('incremental');
    await useTablespace();
    const second = await cluster.backUp('incremental');
    const ids = [whole, first, second].map(({ facts }) => facts.backupId);
    expect([first.facts.parents, second.facts.parents]).toEqual([ids.slice(0, 1), ids.slice(0, 2)]);
    const bytes = (taken: TakenBackup) => taken.facts.artifacts.find(({ role }) => role === 'base')?.plainBytes ?? 0;
    expect(bytes(first)).toBeLessThan(bytes(whole));

    const before = await contents();
    for (const taken of [first, second]) expect(await failuresOf(taken)).toEqual([]);
    const [, scratch] = await restore(second, {});
    expect(scratch?.facts).toMatchObject({ rows: 25_000 });
    await cluster.ask('shop', 'drop table elsewhere; delete from t where a > 3');
    const scope = { kind: 'table' as const, names: { database: 'shop', schema: 'public', table: 't' } };
    const [table] = await restore(first, { target: 'live', scope });
    expect(table?.facts).toMatchObject({ added: 19_997 });
    await restore(second, { target: 'live' });
    expect(await contents()).toEqual(before);
    expect(await readdir(join(cluster.server.dataDirectory, '..'))).not.toContainEqual(expect.stringMatching(/chain/));

    await rename(stored(first), `${stored(first)}.away`);
    expect(await failuresOf(second)).toMatchObject([{ code: 'ARTIFACT_MISSING' }]);
    await expect(restore(second, {})).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
    await rename(`${stored(first)}.away`, stored(first));
  });

  it('rest on no manifest but the one that was sealed, and on none of another timeline', async () => {
    if (isOlder) return expect(cluster.backUp('incremental')).rejects.toMatchObject({ code: 'VERSION_UNFIT' });
    const elsewhere = await cluster.backUp('incremental');
    expect(elsewhere.facts.warnings.join()).toContain('another timeline');
    const folder = join(cluster.workDirectory, 'postgres-base-manifests');
    await appendFile(join(folder, `${elsewhere.facts.backupId}.backup_manifest`), ' ');
    const alone = await cluster.backUp('incremental');
    expect(alone.facts).toMatchObject({ parents: [] });
    expect(alone.facts.warnings.join()).toContain('is not its own');
  });
});
