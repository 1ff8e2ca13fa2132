// Holding and releasing a backup.
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { ChangeHoldInput } from '../../workflows/messages.ts';
import type { Call } from '../command.ts';
import { runContext, withPlatform } from './platform.ts';
import { startRun } from './start.ts';

const WITHIN_MS = 120_000;

/** Changes a hold and waits for it. */
export function changeHold(
  call: Call,
  change: Pick<ChangeHoldInput, 'backup' | 'hold' | 'reason'>,
): Promise<readonly Finding[]> {
  return withPlatform(call, async (platform) => {
    const { temporal } = platform;
    const input: ChangeHoldInput = { ...runContext(platform), ...change };
    const { system, backupId } = change.backup;
    const run = await startRun(temporal, {
      workflow: 'changeHold',
      id: `hold/${input.platform}/${system}/${backupId}`,
      input,
      summary: `${change.hold ? 'Hold' : 'Release'} ${system}/${backupId}`,
      system,
      queues: [],
    });
    const handle = temporal.client.workflow.getHandle(run.id, run.runId);
    return temporal.connection.withDeadline(Date.now() + WITHIN_MS, () => handle.result()) as Promise<
      readonly Finding[]
    >;
  });
}
