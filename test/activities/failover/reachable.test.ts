import { expect, it } from 'vitest';
import { Reachable } from '../../../activities/failover/reachable.ts';

it('a call that a dead mount swallows is waited for no longer than its limit, and not made again beside itself', async () => {
  const reach = new Reachable();
  let wake = (): void => undefined;
  const swallowed = () =>
    new Promise<string>((resolve) => {
      wake = () => resolve('late');
    });
  await expect(reach.ask(swallowed)).rejects.toThrow('no answer within 3 s');
  await expect(reach.ask(async () => 'another')).rejects.toThrow('an earlier call has not come back');
  wake();
  await expect.poll(() => reach.ask(async () => 'another').catch(() => null)).toBe('another');
  await expect(reach.ask(() => Promise.reject(new Error('not there')))).rejects.toThrow('not there');
});
