// What a configuration protects: which systems a site has, and which kinds of backup can be taken of them there.
import { kindOf, SYSTEM_NAMES, SYSTEMS, type SystemName } from '../systems.ts';
import type { Configuration } from './schema.ts';

/** The systems that `site` has, in the fixed order. */
export function systemsOf(configuration: Configuration, site: string): SystemName[] {
  const found = configuration.sites[site];
  return found === undefined ? [] : SYSTEM_NAMES.filter((system) => found[system] !== undefined);
}

/** True when the site's configuration lets the worker read the store's files. */
export function hasFileAccess(configuration: Configuration, site: string, system: SystemName): boolean {
  const found = configuration.sites[site]?.[system];
  if (found === undefined) return false;
  return !SYSTEMS[system].hasService || ('dataDirectory' in found && found.dataDirectory !== undefined);
}

/**
 * The kinds that can be taken: those of the schedule, without those that read files which the worker cannot see. When
 * nothing is left, every kind that works over the network (for a broker: definitions only, said in every report).
 */
export function kindsToTake(configuration: Configuration, site: string, system: SystemName): string[] {
  const files = hasFileAccess(configuration, site, system);
  const usable = (kind: string) => files || kindOf(system, kind)?.needsFileAccess === false;
  const wanted = configuration.schedules[system].kinds.filter(usable);
  return wanted.length > 0 ? wanted : SYSTEMS[system].kinds.map(({ kind }) => kind).filter(usable);
}

/** The names of the tiers, in reading order. */
export function tierNames(configuration: Configuration): string[] {
  return Object.keys(configuration.repository.tiers);
}
