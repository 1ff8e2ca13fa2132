// Keeping applications out of virtual hosts while their queues are filled: permissions are emptied, connections ended.
// Our own account stays. The permissions that were are in the journal before any of them is changed.
import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { type Management, segment } from './management.ts';
import type { RestoreJournal } from './restore-journal.ts';

const QUIET_READINGS = 3;
const QUIET_EVERY_MS = 200;
const QUIET_WITHIN_MS = 30_000;

/** Locks the journal's virtual hosts. A second call locks again what was opened meanwhile. */
export async function lockOut(management: Management, journal: RestoreJournal): Promise<void> {
  for (const { vhost, user } of journal.permissions) {
    const path = `/api/permissions/${segment(String(vhost))}/${segment(String(user))}`;
    await management.put(path, { configure: '', write: '', read: '' });
  }
  for (const vhost of journal.lockedVhosts) await endConnections(management, vhost);
}

/** Gives back the permissions that were. */
export async function letIn(management: Management, journal: RestoreJournal): Promise<void> {
  for (const { vhost, user, configure, write, read } of journal.permissions) {
    const path = `/api/permissions/${segment(String(vhost))}/${segment(String(user))}`;
    await management.put(path, { configure, write, read });
  }
}

/** Ends connections of ours that an earlier attempt, frozen or cut off, may still hold: it must not go on sending. */
export async function endConnectionsNamed(management: Management, vhost: string, name: string): Promise<void> {
  type Connection = { readonly name: string; readonly client_properties?: { readonly connection_name?: string } };
  const path = `/api/vhosts/${segment(vhost)}/connections`;
  for (const connection of (await management.find<readonly Connection[]>(path)) ?? []) {
    if (connection.client_properties?.connection_name !== name) continue;
    await management.remove(`/api/connections/${segment(connection.name)}`, 'a later attempt of this restore goes on');
  }
}

// A channel remembers what it was allowed to do, so the connections must go. The broker lists a new one a little late.
async function endConnections(management: Management, vhost: string): Promise<void> {
  const deadline = Date.now() + QUIET_WITHIN_MS;
  for (let quiet = 0; quiet < QUIET_READINGS; await wait(QUIET_EVERY_MS)) {
    throwIfCancelled();
    const path = `/api/vhosts/${segment(vhost)}/connections`;
    const connections = (await management.find<readonly { name: string }[]>(path)) ?? [];
    for (const { name } of connections)
      await management.remove(`/api/connections/${segment(name)}`, 'this virtual host is being restored');
    quiet = connections.length === 0 ? quiet + 1 : 0;
    if (Date.now() > deadline)
      throw new Failure('TARGET_UNSAFE', `applications keep connecting to virtual host ${JSON.stringify(vhost)}`, {
        vhost,
      });
  }
}
