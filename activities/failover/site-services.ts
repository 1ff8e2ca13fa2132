// What an agent does with the services of its own site, by the commands of the configuration.
import type { SiteConfiguration } from '../../domain/configuration/schema.ts';
import type { FenceProof } from '../../domain/failover.ts';
import { DEFAULT_LIMIT, requireCommands } from './commands.ts';
import { probe } from './fence.ts';

/**
 * Does: runs the site's start commands side by side.
 * Repeat: runs them again: each must be one that can be repeated. Undo: `fenceServices`.
 * @throws {Failure} TOOL_FAILED when one of them did not end well.
 */
export async function startServices(name: string, { agent }: SiteConfiguration): Promise<void> {
  const { start: commands = [], limit = DEFAULT_LIMIT } = agent ?? {};
  await requireCommands(`'${name}' was not started`, { commands, limit });
}

/**
 * Does: runs the commands that stop the site, then looks at each of its stores.
 * Repeat: runs them again and finds the stores stopped. Undo: `startServices`, once the site is the active one again.
 * @throws {Failure} TOOL_FAILED when one of them did not end well.
 */
export async function fenceServices(name: string, site: SiteConfiguration): Promise<readonly FenceProof[]> {
  const { fence: own, limit = DEFAULT_LIMIT } = site.agent ?? {};
  await requireCommands(`'${name}' was not fenced`, { commands: own ?? site.fence?.commands ?? [], limit });
  return probe(site);
}
