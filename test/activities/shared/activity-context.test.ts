import { expect, it } from 'vitest';
import { requireCurrentAttempt, withFurtherSignal, withScope } from '../../../activities/shared/activity-context.ts';
import { Failure } from '../../../domain/failures.ts';

it('faults 2: a worker that stood still may touch nothing, also within a limit of its own', async () => {
  const requireCurrent = () => {
    throw new Failure('ATTEMPT_STALE', 'this worker stood still');
  };
  const never = new AbortController().signal;
  const touching = withScope({ signal: never, progress: null, requireCurrent }, () =>
    withFurtherSignal(never, async () => requireCurrentAttempt()),
  );
  await expect(touching).rejects.toMatchObject({ code: 'ATTEMPT_STALE' });
});
