// Rules about what `dr agent` runs and when it lets go.
import type { RuleFinding } from './problem.ts';
import { type AgentConfiguration, type Configuration, durationMs } from './schema.ts';

const agentsOf = ({ sites }: Configuration): [string, AgentConfiguration][] =>
  Object.entries(sites).flatMap(([name, { agent }]) => (agent ? [[name, agent] as [string, AgentConfiguration]] : []));

export function agentsCanFence(configuration: Configuration): RuleFinding[] {
  return agentsOf(configuration).flatMap(([site, { fence }]): RuleFinding[] => {
    if (fence !== undefined || configuration.sites[site]?.fence !== undefined) return [];
    const message = 'this agent could start the site and never stop it: name the commands that do';
    return [
      {
        level: 'error',
        path: ['sites', site, 'agent'],
        message,
        example: 'fence: [[systemctl, stop, postgresql@15-main]]',
      },
    ];
  });
}

export function leasesOutlastLooks(configuration: Configuration): RuleFinding[] {
  return agentsOf(configuration).flatMap(([site, { lease, every }]): RuleFinding[] => {
    if (lease === undefined || durationMs(lease.length) >= 3 * durationMs(every)) return [];
    const message = `the site would stop itself after fewer than three looks in vain, one every ${every}`;
    return [{ level: 'error', path: ['sites', site, 'agent', 'lease', 'length'], message, example: '60s' }];
  });
}
