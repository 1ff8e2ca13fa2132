// A failover to a site whose stores do not stand yet: Terraform makes them first, and a person agrees to that alone.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FailOverInput, resolveStep, runState } from '../../workflows/messages.ts';
import { failureOf, waitForQuestion } from './endings.ts';
import type { FakeWorld } from './fake-world.ts';
import { CONTEXT, type LawCourt, openCourt, worldWithBackups } from './law-world.ts';

let court: LawCourt;
beforeAll(async () => {
  court = await openCourt();
});
afterAll(() => court?.close());

const FAILOVER: FailOverInput = {
  ...{ ...CONTEXT, scheduled: false },
  ...{ systems: ['postgres'], at: null, unproven: true, kinds: {}, options: {}, dryRun: false },
  ...{ movesNames: false, provisions: true, protect: [] },
};
const within = <T>(world: FakeWorld, work: () => Promise<T>) => court.within(world, work);
const ofTerraform = ({ acts }: FakeWorld) => acts.filter((act) => /^terraform|^postgres.inspect/.test(act)).slice(0, 5);

describe('a failover to a site that does not stand', () => {
  it('makes its stores when a person agrees to that very plan, and plans the restores then', async () => {
    const world = await worldWithBackups();
    await within(world, async () => {
      const handle = await court.start('failOver', FAILOVER);
      await waitForQuestion(handle, 'provision');
      const [question] = (await handle.query(runState)).questions;
      expect(question?.code).toBe('SITE_UNPROVISIONED');
      expect(question?.message).toContain('Terraform creates vm.stores (holds data)');
      const answer = (input: Record<string, string>) =>
        handle.executeUpdate(resolveStep, {
          args: [{ step: 'provision', action: 'retry', reason: 'agreed', input }],
        });
      await answer({ plan: 'another plan' });
      await waitForQuestion(handle, 'provision');
      expect(world.ground.made.size).toBe(0);
      await answer({ plan: /--input plan=(\w+)/.exec(question?.message ?? '')?.[1] ?? '' });
      expect((await handle.result()).report.outcome).toBe('succeeded');
    });
    const [first, second, third] = ['terraform.planChanges', 'terraform.applyPlan', 'terraform.planChanges'];
    expect(ofTerraform(world)).toEqual([first, second, third, 'postgres.inspect', 'postgres.inspect']);
  });

  it('makes nothing when it is only planned, and says what would be made', async () => {
    const world = await worldWithBackups();
    const failure = await within(world, () => failureOf(court.run('failOver', { ...FAILOVER, dryRun: true })));
    expect(failure.code).toBe('SITE_UNPROVISIONED');
    expect(failure.message).toContain('Terraform creates vm.stores (holds data)');
    expect([world.ground.made.size, world.ground.plans.size]).toEqual([0, 0]);
  });

  it('keeps what Terraform made when it is undone, and asks with the lock named when the state is held', async () => {
    const world = await worldWithBackups();
    world.ground.made.add('vm.stores');
    world.break('terraform.applyPlan', 'before', 'TERRAFORM_LOCKED');
    await within(world, async () => {
      const handle = await court.start('failOver', FAILOVER);
      await waitForQuestion(handle, 'prepare');
      world.mend();
      world.break('failover.fence', 'before');
      const args = [{ step: 'prepare', action: 'retry', reason: 'it is dead', input: { unlock: 'lock-1' } }] as const;
      await handle.executeUpdate(resolveStep, { args: [...args] });
      await waitForQuestion(handle, 'fence');
      await handle.executeUpdate(resolveStep, { args: [{ step: 'fence', action: 'abort', reason: 'enough' }] });
      await failureOf(handle.result());
    });
    expect(world.acts).toContain('terraform.unlock:lock-1');
    expect([world.epochs.at(-1)?.intent, world.ground.made.has('vm.gateway')]).toEqual(['undo', true]);
  });
});
