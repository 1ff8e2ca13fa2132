// Keeping clients out of a site whose stores go on serving Holdfast. It runs beside the site's stores, because what lets
// clients in usually stands there.
import type { Configuration } from '../../domain/configuration/schema.ts';
import type { QuiesceActivities } from '../../domain/contracts/failover.ts';
import { DEFAULT_LIMIT, requireCommands } from './commands.ts';

/** The activities `failover.quiesce` and `failover.letClientsIn`, on the queue of the site that they are about. */
export function createQuiesce({ sites }: Pick<Configuration, 'sites'>): QuiesceActivities {
  return {
    /**
     * Does: runs the site's commands side by side.
     * Repeat: runs them again: each must be one that can be repeated. Undo: `letClientsIn`.
     * @throws {Failure} TOOL_FAILED when one of them did not end well.
     */
    quiesce: async ({ site }) => {
      const { commands = [], limit = DEFAULT_LIMIT } = sites[site]?.quiesce ?? {};
      await requireCommands(`clients were not kept out of '${site}'`, { commands, limit });
    },
    /**
     * Does: runs the commands that let clients in.
     * Repeat: runs them again. Undo: `quiesce`.
     * @throws {Failure} TOOL_FAILED when one of them did not end well.
     */
    letClientsIn: async ({ site }) => {
      const { undo: commands = [], limit = DEFAULT_LIMIT } = sites[site]?.quiesce ?? {};
      await requireCommands(`clients were not let into '${site}'`, { commands, limit });
    },
  };
}
