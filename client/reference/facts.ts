// What the quick reference says of a platform, read from its configuration alone.
import { systemsOf, tierNames } from '../../domain/configuration/protection.ts';
import { type Configuration, durationMs, type TierConfiguration } from '../../domain/configuration/schema.ts';
import { formatSeconds } from '../../domain/quantities.ts';
import { SYSTEMS, type SystemName } from '../../domain/systems.ts';

export interface ReferenceFacts {
  readonly platform: string;
  readonly active: string;
  /** The site that takes over; null when there is only one site. */
  readonly standby: string | null;
  readonly approvals: number;
  readonly people: readonly string[];
  readonly temporal: string;
  readonly contacts: Configuration['contacts'];
  /** An address that clients use, for trying whether all is well; null when none is configured. */
  readonly name: string | null;
  readonly configuration: Configuration;
}

export function factsOf(configuration: Configuration): ReferenceFacts {
  const { platform, activeSite, sites, failover, temporal, contacts, dns } = configuration;
  const { address, uiUrl } = temporal;
  return {
    platform,
    active: activeSite,
    standby: Object.keys(sites).find((site) => site !== activeSite) ?? null,
    approvals: failover.approvals,
    people: failover.approvers.map(({ name }) => name),
    temporal: `${address ?? '$TEMPORAL_ADDRESS'}${uiUrl === undefined ? '' : `, Web UI ${uiUrl}`}`,
    contacts,
    name: dns?.records[0]?.name ?? null,
    configuration,
  };
}

/** A Markdown table, its columns aligned: it is read in terminals too. */
export function tableOf(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((_, index) => Math.max(3, ...[titles, ...rows].map((cells) => cells[index]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(titles), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** The values of the platform that people look up. */
export function platformValues(facts: ReferenceFacts): string {
  return [
    '## This platform',
    contactTable(facts),
    objectiveTable(facts.configuration),
    siteTable(facts.configuration),
    lines(facts),
  ].join('\n\n');
}

export const contactTable = ({ contacts }: ReferenceFacts): string =>
  contacts.length === 0
    ? 'Nobody is named: add `contacts` to `holdfast.yaml`, and print this page again.'
    : tableOf(
        ['who', 'name', 'how to reach'],
        contacts.map(({ role, name, reach }) => [role, name, reach]),
      );

const shown = (duration: string): string => formatSeconds(durationMs(duration) / 1000);

function objectiveTable(configuration: Configuration): string {
  const { objectives, schedules, activeSite } = configuration;
  const rows = systemsOf(configuration, activeSite).map((system) => [
    SYSTEMS[system].title,
    shown(objectives[system].rto),
    durationMs(objectives[system].rpo) === 0 ? 'nothing' : shown(objectives[system].rpo),
    SYSTEMS[system].intervalSeconds === null ? 'when they change' : `every ${shown(schedules[system].every)}`,
  ]);
  const all = ['whole platform', shown(objectives.platform.rto), '', `verified every ${shown(schedules.verify.every)}`];
  return tableOf(['system', 'back within (RTO)', 'lost at the most (RPO)', 'backed up'], [...rows, all]);
}

function siteTable(configuration: Configuration): string {
  const rows = Object.entries(configuration.sites).map(([name, site]) => [
    `${name}${name === configuration.activeSite ? ' (serves)' : ''}`,
    ...(['postgres', 'redis', 'rabbitmq'] as const).map((store) => addressOf(site[store])),
    Object.values(site.dns?.addresses ?? {})
      .flat()
      .join(', ') || '-',
  ]);
  const titles = (['postgres', 'redis', 'rabbitmq'] satisfies SystemName[]).map((store) => SYSTEMS[store].title);
  return tableOf(['site', ...titles, 'public addresses'], rows);
}

const addressOf = (store: { readonly host: string; readonly port: number } | undefined): string =>
  store === undefined ? '-' : `\`${store.host}:${store.port}\``;

function lines({ configuration, temporal, approvals, people }: ReferenceFacts): string {
  const { repository, witness, dns, costs } = configuration;
  const tiers = tierNames(configuration).map((name) => `${name}: \`${placeOf(repository.tiers[name])}\``);
  const names = dns?.records.map(({ name, ttl }) => `\`${name}\` (clients keep an address for ${shown(ttl)})`) ?? [];
  return [
    `- Copies of the backups: ${tiers.join('; ')}.`,
    `- Temporal: ${temporal}. Witness folder: \`${witness.directory}\` on the witness.`,
    `- Public names that a failover moves: ${names.join(', ') || 'none; sending clients to another site is yours'}.`,
    `- A failover needs ${approvals} signatures of: ${people.join(', ') || 'nobody is named under `failover.approvers` yet, so none can be run'}.`,
    ...(costs === undefined
      ? []
      : [`- An hour without the platform costs ${costs.currency} ${costs.downtimePerHour.toLocaleString('en-US')}.`]),
  ].join('\n');
}

function placeOf(tier: TierConfiguration | undefined): string {
  if (tier === undefined) return '-';
  return tier.kind === 'folder' ? tier.path : `s3://${tier.bucket}/${tier.prefix}`;
}
