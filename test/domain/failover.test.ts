import { describe, expect, it } from 'vitest';
import {
  type FailoverFacts,
  planFailover,
  requireNoneOpen,
  requireOtherSite,
  requireProven,
} from '../../domain/failover.ts';
import type { RecoveryMember } from '../../domain/recovery.ts';

const member = (system: 'postgres' | 'redis', momentAt: string): RecoveryMember => ({
  ...{ system, backupId: `b-${system}`, kind: 'logical', momentAt, standing: 'proven', held: false },
});
const facts: FailoverFacts = {
  platform: 'orders',
  to: 'east',
  epoch: { number: 2, site: 'west', record: null },
  set: {
    members: [member('postgres', '2026-11-24T02:00:00Z'), member('redis', '2026-11-24T02:59:30Z')],
    spreadSeconds: 3570,
  },
  plans: {},
  approvals: 2,
  people: ['anna', 'ben'],
  names: null,
  ground: null,
  fence: { commands: 1, stores: ['postgres', 'redis'] },
  at: '2026-11-24T03:00:00Z',
};
const proof = (state: 'refused' | 'unknown' | 'open') => ({
  ...{ store: 'redis', address: '10.0.0.1:6379', state, detail: '' },
});
const code = (name: string) => expect.objectContaining({ code: name });

describe('planning a failover', () => {
  it('says first what is lost if it is done now', () => {
    const plan = planFailover(facts);
    expect(plan.lossSeconds).toEqual({ postgres: 3600, redis: 30 });
    expect(plan.summary[0]).toBe('lost if it is done now: the writes of the last postgres 1 h, redis 30 s');
    expect(plan.epoch).toEqual({ now: 2, next: 3 });
  });

  it('fences before it restores, and opens after it validated', () => {
    const ids = planFailover(facts).steps.map(({ id }) => id);
    expect(ids).toEqual(['lock', 'fence', 'validate', 'open', 'protect']);
  });

  it('warns when no store could prove the fence', () => {
    const plan = planFailover({ ...facts, fence: { commands: 0, stores: [] } });
    expect(plan.warnings[0]).toContain("'west' has no store that could prove the fence");
  });

  it('warns when fewer people may approve than have to', () => {
    const plan = planFailover({ ...facts, people: ['anna'] });
    expect(plan.warnings[0]).toBe('2 people have to approve, and failover.approvers names 1: it cannot be carried out');
  });

  it('refuses the site that is the active one already', () => {
    expect(() => requireOtherSite(facts.epoch, 'west')).toThrow(code('SITE_ACTIVE'));
    expect(() => requireOtherSite(facts.epoch, 'east')).not.toThrow();
  });
});

describe('the proof of a fence', () => {
  it('is a refusal of every store', () => {
    expect(() => requireProven('west', [proof('refused'), proof('refused')])).not.toThrow();
  });

  it('is neither a silence nor the lack of anything to ask', () => {
    for (const proofs of [[], [proof('refused'), proof('unknown')]]) {
      expect(() => requireNoneOpen('west', proofs)).not.toThrow();
      expect(() => requireProven('west', proofs)).toThrow(code('FENCE_UNPROVEN'));
    }
  });

  it('is refuted by one store that answers, which nobody can attest away', () => {
    expect(() => requireNoneOpen('west', [proof('refused'), proof('open')])).toThrow(code('FENCE_OPEN'));
  });
});
