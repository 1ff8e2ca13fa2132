import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RestorePlan } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import { chooseRecoverySet, planRecovery, stagesOf } from '../../domain/recovery.ts';
import { SYSTEM_NAMES, type SystemName } from '../../domain/systems.ts';

const WISH = { systems: ['postgres', 'redis'] as const, at: null, unproven: false, kinds: {} };

function backup(system: SystemName, kind: string, sequence: number, facts: Partial<BackupSummary> = {}): BackupSummary {
  const momentAt = new Date(Date.UTC(2026, 0, 1) + sequence * 60_000).toISOString();
  return {
    ...{ system, backupId: `${kind}-${sequence}`, kind, site: 'west', sequence, momentAt, sealedAt: momentAt },
    ...{ standing: 'proven', provenAt: momentAt, held: false, tiers: ['local'], plainBytes: 1, storedBytes: 1 },
    ...{ counts: {}, parents: [], warnings: [], ...facts },
  };
}

const unproven = { standing: 'stored', provenAt: null } as const;
const BACKUPS = [
  backup('postgres', 'logical', 1),
  backup('redis', 'rdb', 2),
  backup('postgres', 'physical', 3),
  backup('redis', 'rdb', 4, unproven),
  backup('redis', 'rdb', 5, { momentAt: '2025-01-01T00:00:00.000Z' }),
];
const idsOf = (wish: object) => chooseRecoverySet(BACKUPS, { ...WISH, ...wish }).members.map((one) => one.backupId);

describe('chooseRecoverySet', () => {
  it('takes the newest proven backup of each system by sequence, whatever the clocks say', () => {
    expect(idsOf({})).toEqual(['physical-3', 'rdb-5']);
  });

  it('takes nothing from after the time asked for', () => {
    expect(idsOf({ at: '2026-01-01T00:02:30Z' })).toEqual(['logical-1', 'rdb-5']);
  });

  it('takes what is stored only when that is asked for', () => {
    const backups = BACKUPS.slice(0, 4);
    const ids = (wish: object) => chooseRecoverySet(backups, { ...WISH, ...wish }).members.map((one) => one.backupId);
    expect(ids({})).toEqual(['physical-3', 'rdb-2']);
    expect(ids({ unproven: true })).toEqual(['physical-3', 'rdb-4']);
  });

  it('takes the kind asked for', () => {
    expect(idsOf({ kinds: { postgres: 'logical' } })).toEqual(['logical-1', 'rdb-5']);
  });

  it('states how far apart the moments are', () => {
    const set = chooseRecoverySet(BACKUPS.slice(0, 3), WISH);
    expect(set.spreadSeconds).toBe(60);
  });

  it('faults 46: refuses stores whose moments are further apart than is borne, and names each moment', () => {
    const choose = (maxSpreadSeconds: number) => chooseRecoverySet(BACKUPS.slice(0, 3), { ...WISH, maxSpreadSeconds });
    expect(choose(60).spreadSeconds).toBe(60);
    expect(() => choose(59)).toThrow(/the moments are 1 min apart, more than 59 s: postgres \S+, redis \S+/);
  });

  it('names every system that has no such backup', () => {
    const wish = { ...WISH, systems: ['postgres', 'rabbitmq', 'tls'] as const };
    expect(() => chooseRecoverySet(BACKUPS, wish)).toThrow('no proven backup of rabbitmq, tls');
  });
});

describe('stagesOf', () => {
  it('brings back state before work, and work before what serves it', () => {
    expect(stagesOf(SYSTEM_NAMES)).toEqual([['postgres', 'redis'], ['rabbitmq'], ['config', 'tls']]);
  });

  it('waits for nothing that is not recovered', () => {
    expect(stagesOf(['tls', 'rabbitmq'])).toEqual([['rabbitmq'], ['tls']]);
  });

  it('faults 47: refuses a circle and prints it', () => {
    const after = (system: SystemName): readonly SystemName[] =>
      system === 'redis' ? ['tls'] : system === 'tls' ? ['config'] : system === 'config' ? ['redis'] : [];
    expect(() => stagesOf(SYSTEM_NAMES, after)).toThrow('redis → tls → config → redis');
  });

  it('faults 47: puts every system behind what it needs, or finds that there is no such order', () => {
    const graphs = fc.record(
      Object.fromEntries(SYSTEM_NAMES.map((name) => [name, fc.subarray([...SYSTEM_NAMES])])) as Record<
        SystemName,
        fc.Arbitrary<SystemName[]>
      >,
    );
    fc.assert(
      fc.property(graphs, (graph) => {
        const stages = attempt(() => stagesOf(SYSTEM_NAMES, (system) => graph[system]));
        if (stages instanceof Failure) return stages.code === 'PLAN_IMPOSSIBLE';
        const placeOf = (system: SystemName) => stages.findIndex((stage) => stage.includes(system));
        return SYSTEM_NAMES.every((system) => graph[system].every((needed) => placeOf(needed) < placeOf(system)));
      }),
    );
  });
});

function attempt<T>(work: () => T): T | Failure {
  try {
    return work();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

describe('planRecovery', () => {
  const plan = (digest: string) =>
    ({ digest, summary: ['replaces everything'], warnings: [], steps: [] }) as unknown as RestorePlan;

  it('binds every member plan, and warns of a member that was never proven', () => {
    const set = chooseRecoverySet(BACKUPS.slice(0, 4), { ...WISH, unproven: true });
    const facts = { platform: 'orders', site: 'west', target: 'live', set } as const;
    const made = planRecovery({ ...facts, plans: { postgres: plan('a'), redis: plan('b') } });
    expect(made.members).toEqual({ postgres: 'a', redis: 'b' });
    expect(made.warnings).toEqual(['redis/rdb-4 was never proven by a restore']);
    expect(made.summary).toContain('order: postgres and redis');
  });
});
