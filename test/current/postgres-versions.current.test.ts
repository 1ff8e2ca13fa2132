// A backup of one major version of PostgreSQL, and a server of another: the machine's release beside the newer one.
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPostgres } from '../../activities/postgres/index.ts';
import { runTool } from '../../activities/shared/run-tool.ts';
import type { SystemConfiguration } from '../../domain/configuration/schema.ts';
import type { ProtectedSystem, RestorePlan, RestoreRequest } from '../../domain/contracts/protected-system.ts';
import type { TakenBackup } from '../../domain/manifest.ts';
import { storeUser } from '../../local/servers.ts';
import { type Cluster, contentsOf, requestOf, startCluster } from '../activities/postgres/cluster.ts';
import { ODD_THINGS } from '../activities/postgres/odd-things.ts';
import { portraitOf } from '../activities/postgres/portrait.ts';
import { startAs } from '../support/releases.ts';

let older: Cluster;
let newer: Cluster;
const ofOlder: Record<string, TakenBackup> = {};
const ofNewer: Record<string, TakenBackup> = {};

const SHOP =
  'create table t (a int primary key, b text); insert into t select g, md5(g::text) from generate_series(1, 2000) g';

beforeAll(async () => {
  older = await startAs('machine', () => startCluster({ shop: SHOP, 'odd db': ODD_THINGS }));
  await older.ask('postgres', "alter role all set lock_timeout = '11s'");
  newer = await startAs('current', () => startCluster({ shop: `${SHOP}; update t set b = 'of the newer'` }));
  for (const kind of ['logical', 'physical']) {
    ofOlder[kind] = await older.backUp(kind);
    ofNewer[kind] = await newer.backUp(kind);
  }
});
afterAll(async () => {
  await older?.end();
  await newer?.end();
});

/** The system of a worker beside `to` that reads the backups of `from`. */
function across(from: Cluster, to: Cluster, changes: Partial<SystemConfiguration<'postgres'>> = {}): ProtectedSystem {
  return createPostgres({
    ...{ platform: 'shop', site: 'here', scratchUser: storeUser(), workDirectory: to.workDirectory },
    configuration: { ...to.server.configuration, ...changes },
    ...{ writer: from.backups.writer, reader: from.backups.reader },
  });
}

const identityOf = async (cluster: Cluster) => {
  const [row] = await cluster.ask<{ id: string }>(
    'postgres',
    'select system_identifier::text as id from pg_control_system()',
  );
  return row?.id ?? '';
};

async function restore(system: ProtectedSystem, request: RestoreRequest): Promise<RestorePlan> {
  const plan = await system.planRestore(request);
  for (const { id } of plan.steps) await system.runRestoreStep({ plan, stepId: id, input: {} });
  return plan;
}

const TABLE = { kind: 'table', names: { database: 'shop', schema: 'public', table: 't' } } as const;

describe('a logical backup of an older PostgreSQL', () => {
  it('is proven by the newer programs', async () => {
    const system = across(older, newer);
    const ref = { system: 'postgres' as const, backupId: ofOlder.logical?.facts.backupId ?? '' };
    const report = await system.checkBackup({ site: 'here', backup: ref, tier: null, run: randomUUID() });
    expect(report.findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    const plan = await restore(system, requestOf(ofOlder.logical as TakenBackup));
    await system.finishRestore({ plan, outcome: 'succeeded' });
  });

  it.each(['custom', 'sql'])('goes into the newer server whole from its %s dumps, and out again', async (form) => {
    const system = across(older, newer);
    const programs = newer.server.binDirectory;
    const before = await portraitOf(newer);
    const { globals: _, ...wanted } = await portraitOf(older, programs);
    const expectedIdentity = await identityOf(newer);
    const request = requestOf(ofOlder.logical as TakenBackup, { target: 'live', expectedIdentity, options: { form } });
    const plan = await restore(system, request);
    const { globals, ...found } = await portraitOf(newer);
    expect(found).toEqual(wanted);
    expect(globals).toContain('owner_of_rows');
    for (const { id } of plan.steps.toReversed()) await system.undoRestoreStep({ plan, stepId: id, input: {} });
    await system.finishRestore({ plan, outcome: 'undone' });
    expect(await portraitOf(newer)).toEqual(before);
  });

  it('gives one table of it to the newer server: its rows in place, and itself when it was dropped', async () => {
    const system = across(older, newer);
    const [wanted] = await older.ask('shop', contentsOf('t'));
    const changes = { target: 'live', scope: TABLE, expectedIdentity: await identityOf(newer) } as const;
    for (const damage of ['delete from t where a > 7', 'drop table t']) {
      await newer.ask('shop', damage);
      const plan = await restore(system, requestOf(ofOlder.logical as TakenBackup, changes));
      await system.finishRestore({ plan, outcome: 'succeeded' });
      expect(await newer.ask('shop', contentsOf('t'))).toEqual([wanted]);
    }
  });
});

describe('what does not fit is refused by the plan, with the reason and what would fit', () => {
  const SCOPES = [{ kind: 'whole', names: {} }, TABLE] as const;

  /** Plans every way of restoring, and sees that nothing of the target has changed or is left. */
  async function expectRefused(
    system: ProtectedSystem,
    { taken, to, targets }: { taken: TakenBackup | undefined; to: Cluster; targets: readonly ('live' | 'scratch')[] },
    why: { reason: RegExp; need: RegExp },
  ): Promise<void> {
    const seen = async () => [await to.ask('shop', contentsOf('t')), await readdir(dirname(to.server.dataDirectory))];
    const before = await seen();
    const expectedIdentity = await identityOf(to);
    for (const target of targets)
      for (const scope of SCOPES)
        await expect(
          system.planRestore(requestOf(taken as TakenBackup, { target, scope, expectedIdentity })),
        ).rejects.toMatchObject({
          code: 'VERSION_UNFIT',
          message: expect.stringMatching(why.reason),
          details: { need: expect.stringMatching(why.need) },
        });
    expect(await seen()).toEqual(before);
    expect(await readdir(to.workDirectory)).toEqual([]);
  }

  it('a base backup of an older server, which a logical one of it can stand in for', async () => {
    await expectRefused(
      across(older, newer),
      { taken: ofOlder.physical, to: newer, targets: ['live', 'scratch'] },
      { reason: /base backup of PostgreSQL \d+ are of no use to \d+/, need: /PostgreSQL \d+, .*a logical backup of/ },
    );
  });

  it('a base backup in place of a server of another version, though its own programs are there', async () => {
    const { binDirectory } = older.server;
    const request = async () =>
      requestOf(ofOlder.physical as TakenBackup, { target: 'live', expectedIdentity: await identityOf(newer) });
    const unfit = { code: 'VERSION_UNFIT', message: expect.stringMatching(/are of no use to/) };
    const system = across(older, newer, { binDirectory });
    const wanted = await request();
    await expect(system.planRestore(wanted)).rejects.toMatchObject(unfit);
    await newer.server.stop();
    await expect(system.planRestore(wanted)).rejects.toMatchObject(unfit);
    const service = newer.server.configuration.service?.start ?? [];
    await startService(service);
    expect(await newer.ask('shop', 'select count(*)::int as n from t')).toEqual([{ n: 2000 }]);
  });

  it.each(['logical', 'physical'])('a %s backup of a newer server', async (kind) => {
    await expectRefused(
      across(newer, older),
      { taken: ofNewer[kind], to: older, targets: ['live', 'scratch'] },
      {
        reason: /PostgreSQL \d+ (does not load into|are of no use to) \d+/,
        need: /^PostgreSQL \d+( or newer)?, programs and server$/,
      },
    );
  });

  it('a dump of a newer server, though the newer programs are there: databases, and a table that is gone', async () => {
    const system = across(newer, older, { binDirectory: newer.server.binDirectory });
    const expectedIdentity = await identityOf(older);
    await older.ask('shop', 'drop table t');
    for (const scope of SCOPES)
      await expect(
        system.planRestore(requestOf(ofNewer.logical as TakenBackup, { target: 'live', scope, expectedIdentity })),
      ).rejects.toMatchObject({
        code: 'VERSION_UNFIT',
        message: expect.stringMatching(/does not load into \d+, which is older/),
      });
    expect(await readdir(older.workDirectory)).toEqual([]);
  });
});

async function startService([command = '', ...args]: readonly string[]): Promise<void> {
  await runTool({ command, args });
}
