// The rules that no single value can show: each is a function whose name is the rule when it holds.
import type { RuleFinding } from './problem.ts';
import * as agentRules from './rules-agent.ts';
import * as dnsRules from './rules-dns.ts';
import * as repositoryRules from './rules-repository.ts';
import * as scheduleRules from './rules-schedules.ts';
import * as siteRules from './rules-sites.ts';
import * as terraformRules from './rules-terraform.ts';
import * as witnessRules from './rules-witness.ts';
import type { Configuration } from './schema.ts';

export type Rule = (configuration: Configuration) => readonly RuleFinding[];

/** Every rule by name. */
export const RULES: Readonly<Record<string, Rule>> = {
  ...siteRules,
  ...scheduleRules,
  ...repositoryRules,
  ...dnsRules,
  ...terraformRules,
  ...witnessRules,
  ...agentRules,
};

/** What all rules find in a configuration that fits the schema. */
export function checkRules(configuration: Configuration): RuleFinding[] {
  return Object.values(RULES).flatMap((rule) => rule(configuration));
}
