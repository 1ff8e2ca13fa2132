// Keeping clients out while a site hands over, and letting them in where they belong at the end.
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { PlannedFailoverPlan } from '../../domain/planned-failover.ts';
import { door } from './activities.ts';
import { failedFinding } from './closing.ts';
import type { Story } from './story.ts';

/** Clients are kept out of the old site, and of the new one until it opens. */
export async function quiesce(story: Story, { from, to, commands }: PlannedFailoverPlan): Promise<void> {
  story.enter('quiesced');
  const hasDoor = commands.open.length > 0;
  const spec = {
    id: 'quiesce',
    title: hasDoor ? `Keep clients out of '${from}', and of '${to}' until it opens` : `Keep clients out of '${from}'`,
    safeToLeave: `clients are kept out of '${from}', at least by some of its commands`,
    // The new site is a standby: it goes on keeping clients out when all of this is taken back.
    undo: () => door(from, `let clients into ${from} again`).letClientsIn({ site: from }),
  };
  await story.require(spec, async () => {
    if (hasDoor) await door(to, `keep clients out of ${to}`).quiesce({ site: to });
    await door(from, `keep clients out of ${from}`).quiesce({ site: from });
  });
}

/** Lets clients into the new site. It is past the point of no return: what fails is told, and takes nothing back. */
export async function openDoor(story: Story, { to, commands }: PlannedFailoverPlan): Promise<readonly Finding[]> {
  if (commands.open.length === 0) return [];
  const spec = {
    id: 'open',
    title: `Let clients into '${to}'`,
    safeToLeave: `'${to}' is restored; no client can reach it`,
  };
  try {
    await story.require(spec, () => door(to, `let clients into ${to}`).letClientsIn({ site: to }));
    return [];
  } catch (error) {
    return [failedFinding(`clients of ${to}`, error)];
  }
}
