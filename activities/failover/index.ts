// The activities `failover.<verb>` at the witness.
import type { Configuration, SiteConfiguration } from '../../domain/configuration/schema.ts';
import type { FailoverActivities } from '../../domain/contracts/failover.ts';
import { Failure } from '../../domain/failures.ts';
import type { HandoverCommands } from '../../domain/planned-failover.ts';
import { acceptApproval } from './approvals.ts';
import { epochsOf } from './epoch-store.ts';
import { fence, planFence, probe, undoFence } from './fence.ts';

export interface FailoverOptions {
  readonly configuration: Configuration;
  readonly now?: () => Date;
}

export function createFailover({ configuration, now = () => new Date() }: FailoverOptions): FailoverActivities {
  const { failover, witness } = configuration;
  const epochs = epochsOf(configuration, now);
  const desk = { approvers: failover.approvers, witnessDirectory: witness.directory, now };
  const siteOf = (name: string) => {
    const site = configuration.sites[name];
    if (site === undefined) throw new Failure('USAGE', `the configuration has no site '${name}'`);
    return site;
  };
  return {
    readEpoch: () => epochs.read(),
    formerSites: () => epochs.formerSites(),
    takeEpoch: (input) => epochs.take(input),
    acceptApproval: ({ text, wanted }) => acceptApproval(desk, text, wanted),
    approvalsNeeded: async () => ({
      count: failover.approvals,
      people: failover.approvers.map(({ name }) => name),
    }),
    planFence: async ({ site }) => planFence(siteOf(site)),
    fence: async ({ site, epoch }) => {
      // Its agent acts on it, also when no command of ours reaches the site, and also when it comes back later.
      await epochs.orderFence({ site, epoch });
      return fence(siteOf(site));
    },
    probeFence: ({ site }) => probe(siteOf(site)),
    undoFence: ({ site }) => undoFence(site, siteOf(site)),
    planHandover: async ({ from, to }) => handoverOf(siteOf(from), siteOf(to)),
  };
}

function handoverOf(from: SiteConfiguration, to: SiteConfiguration): HandoverCommands {
  const lines = (commands: readonly (readonly string[])[] = []) => commands.map((command) => command.join(' '));
  return {
    keepOut: lines(from.quiesce?.commands),
    letIn: lines(from.quiesce?.undo),
    fence: lines(from.fence?.commands),
    undoFence: lines(from.fence?.undo),
    open: lines(to.quiesce?.undo),
  };
}
