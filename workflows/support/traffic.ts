// The public names of a failover: read before, moved after everything is validated, and the old addresses looked at last.
import type { DnsState } from '../../domain/contracts/dns.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { TakeoverPlan } from '../../domain/failover.ts';
import { dns } from './activities.ts';
import { failedFinding } from './closing.ts';
import { requireFit } from './decisions.ts';
import type { Story } from './story.ts';
import { thisExecution } from './this-run.ts';

/** The names as they are now. @throws what makes a move impossible or wrong. */
export async function readNames(story: Story): Promise<DnsState> {
  const spec = { id: 'names', title: 'Read the public names', failsAtOnce: true };
  return story.require(
    spec,
    async () => {
      const found = await dns('quick', 'read the public names').readDns({});
      requireFit(found.findings);
      return found;
    },
    ({ records, whoServes }) => `${records.length} names, given by '${whoServes ?? 'nobody alone'}'`,
  );
}

/**
 * The names move as one batch that holds only while the zone is as planning found it; servers that say otherwise are asked
 * again until a person decides. Giving them back is a move of its own.
 */
export async function moveTraffic(story: Story, { from, to, epoch }: TakeoverPlan, names: DnsState): Promise<void> {
  story.enter('moving traffic');
  const move = { expected: names.epoch?.text ?? null, epoch: zoneEpoch(epoch.next, names), to, run: thisExecution() };
  const change = await story.require(
    {
      id: 'traffic',
      title: `Move the public names to '${to}'`,
      safeToLeave: `'${to}' is restored; clients are still sent to '${from}'`,
      undo: () => dns('quick', 'give the names back').undoMoveDns({ move, epoch: move.epoch + 1, to: from }),
    },
    () => dns('quick', 'move the names').moveDns(move),
  );
  await story.require(
    {
      id: 'answers',
      title: 'Ask every name server',
      safeToLeave: `the names are moving to '${to}'; '${from}' refuses clients`,
    },
    () => dns('long', 'ask every name server').awaitDns({ changeId: change.changeId, to }),
    ({ servers }) => `${servers.filter(({ says }) => says === 'new').length} of ${servers.length} give '${to}'`,
  );
}

/** How long a cache may still give the old addresses, by what the names had when planning read them. */
export const longestTtl = ({ records }: DnsState): number => Math.max(0, ...records.map(({ ttl }) => ttl));

// The zone's number may be ahead of ours: a move that was given back raised it once more.
const zoneEpoch = (next: number, { epoch }: DnsState): number => Math.max(next, (epoch?.number ?? 0) + 1);

/** What late clients still meet at the old site's addresses. Traffic has moved already: what fails here is told. */
export async function lookBack(story: Story, from: string): Promise<readonly Finding[]> {
  const spec = { id: 'late', title: `Look at the old addresses of '${from}'`, failsAtOnce: true };
  try {
    const look = () => dns('quick', `look at ${from}`).probeOldAddresses({ site: from });
    return (await story.require(spec, look)).findings;
  } catch (error) {
    return [failedFinding(`old addresses of ${from}`, error)];
  }
}
