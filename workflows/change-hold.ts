// Holds a backup (retention may not touch it) or releases it, and records who did so and why.
import type { Finding } from '../domain/contracts/protected-system.ts';
import type { ChangeHoldInput } from './messages.ts';
import { repository } from './support/activities.ts';
import { close } from './support/closing.ts';

export async function changeHold(input: ChangeHoldInput): Promise<readonly Finding[]> {
  const { backup, hold, reason, requestedBy } = input;
  const act = hold ? 'backup.held' : 'backup.released';
  const store = repository('control', 'quick', act);
  const change = { backup, reason, person: requestedBy };
  await (hold ? store.holdBackup(change) : store.releaseBackup(change));
  const subject = `${backup.system}/${backup.backupId}`;
  return close(input, { act, subject, level: 'info', message: `${subject}: ${reason}`, facts: {}, reason });
}
