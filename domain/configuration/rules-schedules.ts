// Rules about time: a schedule must be able to meet its objective, and what it makes must be kept long enough.
import { durationText } from '../duration.ts';
import { SYSTEMS, type SystemName } from '../systems.ts';
import type { RuleFinding } from './problem.ts';
import { hasFileAccess, systemsOf } from './protection.ts';
import { quoted } from './rule-facts.ts';
import { type Configuration, durationMs } from './schema.ts';

const MINUTE = 60_000;
const scheduled = (configuration: Configuration): SystemName[] =>
  systemsOf(configuration, configuration.activeSite).filter((system) => SYSTEMS[system].intervalSeconds !== null);

export function schedulesMeetTheirObjectives(configuration: Configuration): RuleFinding[] {
  return scheduled(configuration).flatMap((system): RuleFinding[] => {
    const every = durationMs(configuration.schedules[system].every);
    const rpo = durationMs(configuration.objectives[system].rpo);
    if (every <= rpo) return [];
    const message = `a backup every ${durationText(every)} cannot meet the objective of ${durationText(rpo)} (objectives.${system}.rpo)`;
    return [{ level: 'error', path: ['schedules', system, 'every'], message, example: durationText(rpo) }];
  });
}

export function schedulesAreNotTooDense(configuration: Configuration): RuleFinding[] {
  return scheduled(configuration).flatMap((system): RuleFinding[] =>
    durationMs(configuration.schedules[system].every) >= MINUTE
      ? []
      : [{ level: 'error', path: ['schedules', system, 'every'], message: 'must be at least 1min', example: '15min' }],
  );
}

export function certificatesAreWatchedOften(configuration: Configuration): RuleFinding[] {
  const { sites, activeSite, objectives } = configuration;
  const watchEvery = sites[activeSite]?.tls?.watchEvery;
  if (watchEvery === undefined) return [];
  const limit = Math.max(durationMs(objectives.tls.rpo), MINUTE);
  if (durationMs(watchEvery) <= limit) return [];
  const message = `looking every ${watchEvery} cannot meet the objective for certificates: at most ${durationText(limit)}`;
  return [{ level: 'error', path: ['sites', activeSite, 'tls', 'watchEvery'], message, example: '10s' }];
}

export function kindsAreKnown(configuration: Configuration): RuleFinding[] {
  return Object.values(SYSTEMS).flatMap(({ name, kinds }) =>
    configuration.schedules[name].kinds.flatMap((kind, index): RuleFinding[] => {
      const known = kinds.map((one) => one.kind);
      if (known.includes(kind)) return [];
      const message = `${name} has no kind '${kind}': there ${known.length === 1 ? 'is' : 'are'} ${quoted(known)}`;
      return [{ level: 'error', path: ['schedules', name, 'kinds', index], message }];
    }),
  );
}

export function kindsCanBeTaken(configuration: Configuration): RuleFinding[] {
  const { activeSite } = configuration;
  return systemsOf(configuration, activeSite).flatMap((system) => {
    if (hasFileAccess(configuration, activeSite, system)) return [];
    const defaults = SYSTEMS[system].defaultKinds;
    return configuration.schedules[system].kinds.flatMap((kind, index): RuleFinding[] => {
      const needsFiles = SYSTEMS[system].kinds.find((one) => one.kind === kind)?.needsFileAccess ?? false;
      if (!needsFiles || defaults.includes(kind)) return [];
      const message = `the kind '${kind}' reads the store's files: set sites.${activeSite}.${system}.dataDirectory`;
      return [{ level: 'error', path: ['schedules', system, 'kinds', index], message }];
    });
  });
}

export function backupsAreKeptUntilTheNext(configuration: Configuration): RuleFinding[] {
  const slowest = Math.max(
    0,
    ...scheduled(configuration).map((system) => durationMs(configuration.schedules[system].every)),
  );
  return Object.entries(configuration.repository.tiers).flatMap(([name, tier]): RuleFinding[] => {
    if (durationMs(tier.keep) >= slowest) return [];
    const message = `keeps backups for ${tier.keep}, shorter than the ${durationText(slowest)} until the next one is taken`;
    return [{ level: 'error', path: ['repository', 'tiers', name, 'keep'], message, example: '7d' }];
  });
}

export function proofsAreRenewedInTime({ schedules, repository }: Configuration): RuleFinding[] {
  if (durationMs(schedules.verify.every) <= durationMs(repository.proofLimit)) return [];
  const message = `a verification every ${schedules.verify.every} lets every proof grow older than repository.proofLimit (${repository.proofLimit})`;
  return [{ level: 'error', path: ['schedules', 'verify', 'every'], message, example: '1d' }];
}

export function absenceIsNoticedInTime(configuration: Configuration): RuleFinding[] {
  const limits = scheduled(configuration).map((system) => durationMs(configuration.objectives[system].rpo));
  const shortest = Math.min(...limits);
  if (limits.length === 0 || durationMs(configuration.schedules.presence.every) <= shortest) return [];
  const message = `looking for absent backups every ${configuration.schedules.presence.every} is slower than the shortest objective (${durationText(shortest)})`;
  return [{ level: 'warning', path: ['schedules', 'presence', 'every'], message, example: durationText(shortest) }];
}
