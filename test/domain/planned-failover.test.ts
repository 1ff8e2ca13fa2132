import { describe, expect, it } from 'vitest';
import type { BackupSummary } from '../../domain/manifest.ts';
import {
  finalSet,
  type HandoverFacts,
  lossLines,
  movedSince,
  planHandover,
  requireFormer,
  requireStill,
} from '../../domain/planned-failover.ts';
import type { SystemName } from '../../domain/systems.ts';

const COMMANDS = {
  keepOut: ['gate close'],
  letIn: ['gate open'],
  fence: ['stop'],
  undoFence: ['start'],
  open: ['gate open'],
};
const facts: HandoverFacts = {
  ...{ platform: 'orders', to: 'east', action: 'failover', plans: {}, names: null, ground: null },
  epoch: { number: 2, site: 'west', record: null },
  set: {
    members: [
      {
        system: 'postgres',
        backupId: 'p',
        kind: 'physical',
        momentAt: '2026-11-24T02:00:00Z',
        standing: 'stored',
        held: false,
      },
      {
        system: 'rabbitmq',
        backupId: 'r',
        kind: 'messages',
        momentAt: '2026-11-24T02:00:00Z',
        standing: 'stored',
        held: false,
      },
    ],
    spreadSeconds: 0,
  },
  ...{ approvals: 2, people: ['anna', 'ben'] },
  fence: { commands: 1, stores: ['postgres', 'rabbitmq'] },
  commands: COMMANDS,
};
const code = (name: string) => expect.objectContaining({ code: name });
const at = (position: string) => ({ position, detail: `at ${position}` });

describe('planning a handover', () => {
  it('keeps clients out before it backs up, and fences only what was compared', () => {
    const { steps } = planHandover(facts);
    const order = ['lock', 'quiesce', 'final', 'caught-up', 'fence', 'go', 'validate', 'open', 'protect'];
    expect(steps.map(({ id }) => id)).toEqual(order);
    const undoable = steps.filter(({ hasUndo }) => hasUndo).map(({ id }) => id);
    expect(undoable).toEqual(['lock', 'quiesce', 'fence']);
  });

  it('shows every command that it will run, and how each is taken back', () => {
    const text = planHandover(facts).summary.join('\n');
    for (const command of Object.values(COMMANDS).flat()) expect(text).toContain(`'${command}'`);
    expect(text).toContain('loses nothing');
  });

  it.each([
    ['nothing keeps clients out', { commands: { ...COMMANDS, keepOut: [] } }],
    ['a fence cannot be taken back', { commands: { ...COMMANDS, undoFence: [] } }],
    [
      'a kind of backup leaves something out',
      {
        set: {
          ...facts.set,
          members: facts.set.members.map((one) => (one.system === 'rabbitmq' ? { ...one, kind: 'definitions' } : one)),
        },
      },
    ],
  ])('is refused when %s', (_what, change) => {
    expect(() => planHandover({ ...facts, ...change })).toThrow(code('HANDOVER_UNPREPARED'));
  });

  it('goes without a fence command where a person fences, and warns when nothing guards the new site', () => {
    const plan = planHandover({ ...facts, commands: { ...COMMANDS, fence: [], undoFence: [], open: [] } });
    expect(plan.warnings.join('\n')).toContain("nothing keeps clients out of 'east'");
  });
});

describe('the proof that nothing was written', () => {
  const systems: SystemName[] = ['postgres', 'redis'];
  const before = { postgres: at('7'), redis: at('3') };

  it('is that every store stands where it stood', () => {
    expect(movedSince(before, { ...before }, systems)).toEqual([]);
    expect(() => requireStill('west', [], before, before)).not.toThrow();
    expect(lossLines(systems, before)).toEqual(['postgres: nothing lost (at 7)', 'redis: nothing lost (at 3)']);
  });

  it('is refuted by one that moved, which is named with both places', () => {
    const after = { ...before, redis: at('4') };
    const moved = movedSince(before, after, systems);
    expect(moved).toEqual(['redis']);
    expect(() => requireStill('west', moved, before, after)).toThrow(code('WRITES_GO_ON'));
    expect(() => requireStill('west', moved, before, after)).toThrow("redis: 'at 3' became 'at 4'");
  });

  it('is not given for a store that one of the two looks says nothing of', () => {
    expect(movedSince({}, before, systems)).toEqual(systems);
    expect(movedSince(before, {}, systems)).toEqual(systems);
  });

  it('holds for the last backup of each system, however often one was taken again', () => {
    const backup = (backupId: string, sequence: number) =>
      ({
        ...{ system: 'redis', backupId, kind: 'rdb', sequence, provenAt: null, momentAt: '' },
      }) as unknown as BackupSummary;
    expect(finalSet([backup('late', 9), backup('early', 8)], ['redis']).members).toMatchObject([{ backupId: 'late' }]);
    expect(() => finalSet([], ['redis'])).toThrow(code('BACKUP_NOT_FOUND'));
  });
});

describe('a site to come back to', () => {
  it('is one that was the active one before', () => {
    expect(() => requireFormer(['west'], 'west')).not.toThrow();
    for (const former of [[], ['west']])
      expect(() => requireFormer(former, 'north')).toThrow(code('NOT_A_FORMER_SITE'));
  });
});
