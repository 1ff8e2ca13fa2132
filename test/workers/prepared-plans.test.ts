import { expect, it } from 'vitest';
import { preparedPlan } from '../../workers/prepared-plans.ts';

it('a plan is what the command said, or why there is none: nothing is guessed', () => {
  const brief = { lossSeconds: { redis: 3 }, serveSeconds: 60, next: 'dr failover run --to east' };
  const plan = JSON.stringify({ plan: { digest: 'abc' }, brief });
  expect(preparedPlan({ status: 0, stdout: plan })).toEqual({ digest: 'abc', brief });
  const error = { code: 'NO_WORKER', message: 'nobody serves site.east\nMEANS: …\nDO: …' };
  expect(preparedPlan({ status: 7, stdout: JSON.stringify({ error }) })).toEqual({
    missing: 'nobody serves site.east',
  });
  expect(preparedPlan({ status: 1, stdout: plan })).toEqual({ missing: 'the plan ended with 1' });
  expect(preparedPlan({ status: null, stdout: '' })).toEqual({ missing: 'the plan ended with a signal' });
});
