// What each workflow does beside the laws: its order, its questions to people, and what it tells.
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { SYSTEM_NAMES, SYSTEMS } from '../../domain/systems.ts';
import { approvePlan, resolveStep, runState } from '../../workflows/messages.ts';
import { failureOf, waitForQuestion } from './endings.ts';
import { createFakeWorld, type FakeWorld } from './fake-world.ts';
import { BACKUP, CONTEXT, type LawCourt, openCourt, restoring, worldWithBackups } from './law-world.ts';

let court: LawCourt;
beforeAll(async () => {
  court = await openCourt();
});
afterAll(() => court?.close());

const start: LawCourt['start'] = (type, input) => court.start(type, input);
const run: LawCourt['run'] = (type, input) => court.run(type, input);
const within = <T>(world: FakeWorld, work: () => Promise<T>) => court.within(world, work);
const worldWithBackup = () => worldWithBackups();

describe('backUpSystem', () => {
  it('takes, copies, reads back and seals, in this order, and leaves no spool', async () => {
    const world = createFakeWorld();
    const result = await within(world, () => run('backUpSystem', BACKUP));
    expect(result.report.outcome).toBe('succeeded');
    expect(
      world.acts.filter((act) => !act.startsWith('repository.copy') && !act.startsWith('repository.read')),
    ).toEqual([
      'postgres.inspect',
      'postgres.takeBackup',
      'repository.listBackups',
      'repository.seal',
      'repository.clearSpool',
      'audit.record',
      'notification.notify',
      'audit.copyToTiers',
    ]);
    expect(world.acts.indexOf('repository.readBack:s3')).toBeLessThan(world.acts.indexOf('repository.seal'));
    expect([world.spool.size, world.unsealed.size, world.sealed.size]).toEqual([0, 0, 1]);
  });

  it('never reports success when its undo failed', async () => {
    const world = createFakeWorld();
    world.break('repository.readBack:s3', 'before');
    world.break('repository.discardUnsealed', 'before');
    await within(world, () => failureOf(run('backUpSystem', BACKUP)));
    expect(world.notices.map(({ type }) => type)).toEqual(['backup.stuck']);
  });

  it('stays stored, and tells it, when the spool cannot be cleared or the audit log takes no record', async () => {
    const world = createFakeWorld();
    world.break('repository.clearSpool', 'before');
    const result = await within(world, () => run('backUpSystem', BACKUP));
    expect(result.findings).toMatchObject([{ level: 'failed', subject: 'spool' }]);
    world.mend();
    world.break('audit.record', 'before');
    await within(world, () => failureOf(run('backUpSystem', { ...BACKUP, kind: 'physical' })));
    expect(world.notices.map(({ type, level }) => [type, level])).toEqual([
      ['backup.stored', 'info'],
      ['backup.stored', 'alarm'],
    ]);
    expect(world.notices.at(-1)?.message).toContain('the audit log took no record');
  });

  it('is stored but says so when a channel is down', async () => {
    const world = createFakeWorld();
    world.break('notification.notify', 'before');
    const result = await within(world, () => run('backUpSystem', BACKUP));
    expect(result.findings).toMatchObject([{ level: 'failed', subject: 'notification' }]);
    expect(world.sealed.size).toBe(1);
  });
});

describe('restoreSystem', () => {
  const steps = ['fetch', 'stop', 'replace', 'start', 'validate'];

  it('does the steps of the plan in their order and cleans up', async () => {
    const world = await worldWithBackup();
    const result = await within(world, () => run('restoreSystem', restoring()));
    expect(result.report.steps.map(({ id, status }: { id: string; status: string }) => `${id} ${status}`)).toEqual(
      ['plan', ...steps].map((id) => `${id} done`),
    );
    expect(world.scratch.size).toBe(0);
  });

  for (const when of ['before', 'after'] as const) {
    it.each(steps)(
      `fails at %s (${when} its effect), undoes what was begun, last first, and cleans up`,
      async (step) => {
        const world = await worldWithBackup();
        world.repeat = true;
        world.break(`postgres.runRestoreStep:${step}`, when);
        await within(world, () => failureOf(run('restoreSystem', restoring())));
        const undone = ['start', 'replace', 'stop'].filter((id) => steps.indexOf(id) <= steps.indexOf(step));
        expect(world.acts.filter((act) => act.startsWith('postgres.undo')).map((act) => act.split(':')[1])).toEqual(
          undone,
        );
        expect([...world.inEffect].filter((id) => undone.includes(id))).toEqual([]);
        expect(world.scratch.size).toBe(0);
      },
    );
  }

  it.each(['postgres.finishRestore', 'audit.record'])(
    'undoes nothing of a whole restore when %s fails',
    async (act) => {
      const world = await worldWithBackup();
      world.break(act, 'before');
      await within(world, () => run('restoreSystem', restoring()).catch(() => undefined));
      expect([...world.inEffect]).toEqual(steps);
      expect(world.acts.filter((one) => one.startsWith('postgres.undo'))).toEqual([]);
      expect(world.notices.at(-1)?.type).toBe('restore.tested');
    },
  );

  it('tells that it was undone although the clean-up fails too', async () => {
    const world = await worldWithBackup();
    world.break('postgres.runRestoreStep:start', 'after');
    world.break('postgres.finishRestore', 'before');
    const failure = await within(world, () => failureOf(run('restoreSystem', restoring())));
    expect(failure.message).toContain('postgres.runRestoreStep:start failed');
    expect(world.notices.at(-1)).toMatchObject({ type: 'restore.undone', level: 'alarm' });
    expect(world.notices.at(-1)?.message).toContain('the clean-up failed too');
  });

  it('is stuck, and never succeeded, when an undo fails', async () => {
    const world = await worldWithBackup();
    world.break('postgres.runRestoreStep:start', 'after');
    world.break('postgres.undoRestoreStep:replace', 'before');
    const failure = await within(world, () => failureOf(run('restoreSystem', restoring())));
    expect(failure.code).toBe('UNDO_FAILED');
    expect(world.acts.filter((act) => act.startsWith('postgres.undo'))).toHaveLength(3);
  });

  it('waits for a person at a failed step and goes on from there when told to retry', async () => {
    const world = await worldWithBackup();
    world.break('postgres.runRestoreStep:replace', 'before');
    await within(world, async () => {
      const handle = await start('restoreSystem', restoring({ scheduled: false }));
      await waitForQuestion(handle, 'replace');
      const refused = handle.executeUpdate(resolveStep, { args: [{ step: 'replace', action: 'skip', reason: 'no' }] });
      await expect(refused.catch((error) => Promise.reject(error.cause))).rejects.toThrow(
        "takes retry, abort, not 'skip'",
      );
      const silent = handle.executeUpdate(resolveStep, { args: [{ step: 'replace', action: 'retry', reason: ' ' }] });
      await expect(silent.catch((error) => Promise.reject(error.cause))).rejects.toThrow('needs a reason');
      world.mend();
      await handle.executeUpdate(resolveStep, {
        args: [{ step: 'replace', action: 'retry', reason: 'disk was freed' }],
      });
      const result = await handle.result();
      expect(result.report.outcome).toBe('succeeded');
    });
    expect(world.acts.filter((act) => act === 'postgres.runRestoreStep:stop')).toHaveLength(1);
  });

  it('restores from a tier that answers when another is gone, and its plan names that tier', async () => {
    const world = await worldWithBackup();
    world.break('repository.listBackups', 'before');
    world.break('repository.listBackups:local', 'before');
    const result = await within(world, () => run('restoreSystem', restoring()));
    expect(result.plan.request.tier).toBe('s3');
  });

  it('fails at once, asking nobody, when no plan can be made', async () => {
    const world = await worldWithBackup();
    world.break('postgres.planRestore', 'before');
    const failure = await within(world, () => failureOf(run('restoreSystem', restoring({ scheduled: false }))));
    expect(failure.code).toBe('TOOL_FAILED');
    expect(world.notices.at(-1)).toMatchObject({ type: 'restore.failed', level: 'warning' });
  });

  it('undoes when a person aborts, and says who and why', async () => {
    const world = await worldWithBackup();
    world.break('postgres.runRestoreStep:start', 'after');
    await within(world, async () => {
      const handle = await start('restoreSystem', restoring({ scheduled: false }));
      await waitForQuestion(handle, 'start');
      await handle.executeUpdate(resolveStep, {
        args: [{ step: 'start', action: 'abort', reason: 'wrong backup', person: 'ann' }],
      });
      const failure = await failureOf(handle.result());
      expect(failure.code).toBe('ABORTED');
      expect(failure.message).toContain('ann aborted the run: wrong backup');
    });
    expect([...world.inEffect]).toEqual(['fetch']);
  });

  it('touches nothing live until the very plan was approved with the platform named', async () => {
    const world = await worldWithBackup();
    const live = restoring({ scheduled: false });
    const input = { ...live, request: { ...live.request, target: 'live' as const } };
    await within(world, async () => {
      const handle = await start('restoreSystem', input);
      await waitForQuestion(handle, 'approve');
      const { plan } = await handle.query(runState);
      const digest = plan?.digest ?? '';
      const approve = (approval: { digest: string; platform: string; person: string }) =>
        handle.executeUpdate(approvePlan, { args: [approval] }).catch((error) => Promise.reject(error.cause));
      await expect(approve({ digest, platform: 'other', person: 'ann' })).rejects.toThrow(
        "the platform is not 'other'",
      );
      await expect(approve({ digest: 'x', platform: 'orders', person: 'ann' })).rejects.toThrow('another plan');
      const worded = handle.executeUpdate(resolveStep, {
        args: [{ step: 'approve', action: 'approve' as 'retry', reason: 'because' }],
      });
      await expect(worded.catch((error) => Promise.reject(error.cause))).rejects.toThrow("takes abort, not 'approve'");
      expect(world.inEffect.size).toBe(0);
      await approve({ digest, platform: 'orders', person: 'ann' });
      expect((await handle.result()).report.outcome).toBe('succeeded');
    });
  });

  it('undoes and cleans up when it is cancelled', async () => {
    const world = await worldWithBackup();
    world.break('postgres.runRestoreStep:start', 'after');
    await within(world, async () => {
      const handle = await start('restoreSystem', restoring({ scheduled: false }));
      await waitForQuestion(handle, 'start');
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
    });
    expect([...world.inEffect]).toEqual(['fetch']);
    expect(world.scratch.size).toBe(0);
  });
});

describe('verifyBackups', () => {
  const verifying = {
    ...CONTEXT,
    systems: ['postgres'],
    maximumAgeSeconds: {},
    depth: 'proof',
    backup: null,
    all: false,
  };

  it('faults 42: a backup of a store that came back empty is stored, marked and alarmed, and verification names it', async () => {
    const world = createFakeWorld();
    world.counts = { rows: 5000 };
    for (let time = 0; time < 2; time += 1) await within(world, () => run('backUpSystem', BACKUP));
    world.counts = { rows: 0 };
    const result = await within(world, () => run('backUpSystem', BACKUP));
    const words = 'holds 0 rows, those before it usually 5000: the store may have lost its data';
    expect(result.backup.warnings).toEqual([words]);
    expect(result.findings).toContainEqual(expect.objectContaining({ level: 'failed', message: words }));
    expect(world.notices.at(-1)).toMatchObject({ level: 'alarm', message: expect.stringContaining(words) });
    const failure = await failureOf(within(world, () => run('verifyBackups', verifying)));
    expect(failure).toMatchObject({ code: 'VERIFICATION_FAILED' });
    expect(failure.message).toContain(result.backup.backupId);
    expect(world.sealed.get(result.backup.backupId)?.standing).toBe('stored');
  });

  it('a backup that cannot be compared with those before it is stored, and that is told', async () => {
    const world = await worldWithBackup();
    world.break('repository.listBackups', 'before');
    const result = await within(world, () => run('backUpSystem', BACKUP));
    expect(world.sealed.size).toBe(2);
    expect(result.backup.warnings.join()).toContain('could not be compared');
  });

  it('proves the newest backup by a restore', async () => {
    const world = await worldWithBackup();
    const result = await within(world, () => run('verifyBackups', verifying));
    expect(result.backups).toMatchObject([{ verdict: 'proven' }]);
    expect([...world.sealed.values()].map(({ standing }) => standing)).toEqual(['proven']);
  });

  it('fails, and proves nothing, when a check could not be made', async () => {
    const world = await worldWithBackup();
    world.break('postgres.checkBackup', 'before');
    const failure = await within(world, () => failureOf(run('verifyBackups', verifying)));
    expect(failure.code).toBe('VERIFICATION_FAILED');
    expect([...world.sealed.values()].map(({ standing }) => standing)).toEqual(['stored']);
    expect(world.notices.at(-1)).toMatchObject({ type: 'verification.failed', level: 'alarm' });
  });

  it('says that it is the key, when the key alone keeps it from looking', async () => {
    const world = await worldWithBackup();
    world.break('postgres.checkBackup', 'before', 'WRONG_KEY');
    const failure = await within(world, () => failureOf(run('verifyBackups', verifying)));
    expect(failure.code).toBe('WRONG_KEY');
    expect(failure.message).toContain("DO: give a worker the private key of a recipient ('dr keys show')");
    expect([...world.sealed.values()].map(({ standing }) => standing)).toEqual(['stored']);
  });

  it('raises the alarm when there is no backup at all', async () => {
    const world = createFakeWorld();
    const failure = await within(world, () => failureOf(run('verifyBackups', { ...verifying, depth: 'presence' })));
    expect(failure.code).toBe('BACKUP_ABSENT');
  });

  it('raises the alarm when it cannot look at all', async () => {
    const world = await worldWithBackup();
    world.break('repository.listBackups', 'before');
    await within(world, () => failureOf(run('verifyBackups', verifying)));
    expect(world.notices.at(-1)).toMatchObject({ type: 'verification.failed', level: 'alarm' });
    expect(world.audit.at(-1)?.act).toBe('verification.failed');
  });

  it('looks into the tiers that hold the backup, not into all that are configured', async () => {
    const world = await worldWithBackup();
    for (const [id, backup] of world.sealed) world.sealed.set(id, { ...backup, tiers: ['s3'] });
    await within(world, () => run('verifyBackups', { ...verifying, depth: 'stored' }));
    expect(world.acts.filter((act) => act.startsWith('repository.checkStored'))).toEqual(['repository.checkStored:s3']);
  });

  it('writes a new proof in each run', async () => {
    const world = await worldWithBackup();
    await within(world, () => run('verifyBackups', verifying));
    await within(world, () => run('verifyBackups', verifying));
    expect(new Set(world.proofs).size).toBe(2);
  });
});

describe('backUpPlatform and applyRetention', () => {
  const platform = { ...CONTEXT, systems: [{ system: 'postgres', kinds: ['logical'] }], applyRetention: true };

  it('raise the alarm when the repository cannot be used', async () => {
    const world = createFakeWorld();
    world.break('repository.prepare', 'before');
    await within(world, () => failureOf(run('backUpPlatform', platform)));
    expect(world.notices).toMatchObject([{ type: 'platform-backup.failed', level: 'alarm' }]);
  });

  it('go on with a warning that is told in the report and the notice', async () => {
    const world = createFakeWorld();
    const warning = { level: 'warning', subject: 'repository.keys', message: 'opens none', code: 'WRONG_KEY' };
    world.repositoryFindings.push(warning as Finding);
    const { findings, backups } = await within(world, () => run('backUpPlatform', platform));
    expect(findings).toContainEqual(warning);
    expect(backups).toHaveLength(1);
    expect(world.notices.at(-1)).toMatchObject({
      type: 'platform-backup.stored',
      level: 'warning',
      message: expect.stringContaining('opens none'),
    });
  });

  it.each(SYSTEM_NAMES)(
    'faults 45: fail as a whole, and say of each member how it ended, when %s cannot be backed up',
    async (broken) => {
      const world = createFakeWorld();
      world.break(`${broken}.takeBackup`, 'before');
      const systems = SYSTEM_NAMES.map((system) => ({ system, kinds: SYSTEMS[system].defaultKinds }));
      const kinds = systems.flatMap(({ system, kinds: of }) => of.map((kind) => `${system}-${kind}`));
      const handle = await within(world, () => start('backUpPlatform', { ...platform, systems }));
      const failure = await failureOf(handle.result());
      const isBroken = (step: string) => step.startsWith(`${broken}-`);
      expect(failure.code).toBe('BACKUP_FAILED');
      expect(failure.message).toContain(
        `${kinds.filter(isBroken).length} of ${kinds.length} backups failed: ${broken}`,
      );
      const { steps, outcome } = await handle.query(runState);
      expect(outcome).toBe('failed');
      expect(Object.fromEntries(steps.map(({ id, status }) => [id, status]))).toEqual({
        preflight: 'done',
        ...Object.fromEntries(kinds.map((step) => [step, isBroken(step) ? 'failed' : 'done'])),
        retention: 'done',
      });
      expect(world.sealed.size).toBe(kinds.filter((step) => !isBroken(step)).length);
      expect(world.notices.at(-1)).toMatchObject({ type: 'platform-backup.failed', level: 'alarm' });
      world.mend();
      await run('backUpPlatform', { ...platform, systems });
      expect(world.notices.at(-1)).toMatchObject({ type: 'platform-backup.stored' });
    },
  );

  it('raise the alarm when retention fails, and keep what was stored', async () => {
    const world = createFakeWorld();
    world.break('repository.planRetention', 'before');
    const failure = await within(world, () => failureOf(run('backUpPlatform', platform)));
    expect(failure.message).toContain('1 backups are stored; retention failed');
    expect(world.notices.map(({ type }) => type)).toEqual([
      'backup.stored',
      'retention.failed',
      'platform-backup.failed',
    ]);
    expect(world.sealed.size).toBe(1);
  });
});

describe('watchCertificates', () => {
  it('tells that the files cannot be read, and keeps watching', async () => {
    const world = createFakeWorld();
    world.break('tls.waitForChange', 'before');
    await within(world, async () => {
      const handle = await start('watchCertificates', { ...CONTEXT, knownDigest: 'known' });
      await expect
        .poll(() => world.notices.map(({ type }) => type), { timeout: 20_000 })
        .toEqual(['certificate-watch.failed']);
      expect((await handle.describe()).status.name).toBe('RUNNING');
      await handle.terminate();
    });
  });
});

describe('rotateKeys', () => {
  const rotating = { ...CONTEXT, scheduled: false, dryRun: false, digest: 'approved' };

  it('wraps every key before it removes any, and records who gained and lost', async () => {
    const world = createFakeWorld();
    world.repeat = true;
    const result = await within(world, () => run('rotateKeys', rotating));
    expect(result).toMatchObject({ rotated: 3, removed: 3, report: { outcome: 'succeeded' } });
    expect(world.acts.lastIndexOf('repository.rotateKeys')).toBeLessThan(
      world.acts.indexOf('repository.removeRetiredKeys'),
    );
    expect(world.audit).toMatchObject([{ act: 'keys.rotated', facts: { rotated: 3, removed: 3, digest: 'approved' } }]);
  });

  it('changes nothing on a dry run, nor when another plan was approved', async () => {
    const world = createFakeWorld();
    await within(world, () => run('rotateKeys', { ...rotating, dryRun: true }));
    const failure = await within(world, () => failureOf(run('rotateKeys', { ...rotating, digest: 'other' })));
    expect(failure.code).toBe('PLAN_CHANGED');
    expect(world.stale.size).toBe(3);
  });

  it.each(['repository.rotateKeys', 'repository.removeRetiredKeys'])(
    'asks a person when %s fails, goes on from there on retry, and says on abort that it is unfinished',
    async (act) => {
      const world = createFakeWorld();
      const step = act.endsWith('rotateKeys') ? 'wrap' : 'remove';
      world.break(act, 'after');
      await within(world, async () => {
        const handle = await start('rotateKeys', rotating);
        await waitForQuestion(handle, step);
        await handle.executeUpdate(resolveStep, { args: [{ step, action: 'abort', reason: 'later' }] });
        expect(await failureOf(handle.result())).toMatchObject({ code: 'ROTATION_UNFINISHED' });
        expect(world.audit.at(-1)?.act).toBe('keys.unfinished');
        const again = await start('rotateKeys', rotating);
        await waitForQuestion(again, step);
        world.mend();
        await again.executeUpdate(resolveStep, { args: [{ step, action: 'retry', reason: 'mended' }] });
        expect((await again.result()).report.outcome).toBe('succeeded');
      });
      expect(world.stale.size).toBe(0);
    },
  );

  it('raises the alarm and fails when a key could not be rotated, and rotates the others', async () => {
    const world = createFakeWorld();
    world.unrotatable.push({ level: 'failed', subject: 'redis/b2', message: 'gone', code: 'ARTIFACT_MISSING' });
    const failure = await within(world, () => failureOf(run('rotateKeys', rotating)));
    expect(failure.code).toBe('ROTATION_UNFINISHED');
    expect(world.notices).toMatchObject([{ type: 'keys.unfinished', level: 'alarm' }]);
    expect(world.stale.size).toBe(0);
  });
});

describe('failOverPlanned', () => {
  const input = {
    ...{ ...CONTEXT, systems: ['postgres'], kinds: {}, options: {}, dryRun: false },
    ...{ movesNames: true, provisions: false, protect: [] },
  };
  const writing = (world: FakeWorld, times: number) => {
    let writes = 0;
    world.activities['postgres.readPosition'] = async () => {
      writes = Math.min(writes + 1, times);
      return { position: `${writes}`, detail: `${writes} writes` };
    };
  };
  const taken = ({ acts }: FakeWorld) => acts.filter((act) => act === 'postgres.takeBackup').length;

  it('is a no-go while somebody writes: nothing is fenced, and the old site serves again', async () => {
    const world = await worldWithBackup();
    writing(world, Number.POSITIVE_INFINITY);
    const { code } = await within(world, () => failureOf(run('failOverPlanned', input)));
    expect([code, taken(world)]).toEqual(['WRITES_GO_ON', 3]);
    expect(world.acts).not.toContain('failover.fence');
    expect(world.epochs.map(({ intent }) => intent)).toEqual(['failover', 'undo']);
    expect([...world.closed]).toEqual(['west: clients']); // The standby goes on keeping its own out.
  });

  it('backs up again what moved once, tells it, and restores the newer backup', async () => {
    const world = await worldWithBackup();
    writing(world, 2);
    const { finalBackups, findings } = await within(world, () => run('failOverPlanned', input));
    expect(taken(world)).toBe(2);
    expect(finalBackups).toEqual([{ system: 'postgres', backupId: [...world.sealed.keys()].at(-1) }]);
    expect(findings).toContainEqual(expect.objectContaining({ level: 'warning', subject: 'postgres of east' }));
  });
});
