// Rules about where backups are kept and who can open and seal them.
import type { PathPart, RuleFinding } from './problem.ts';
import { isLoopback, isOpenToTheNetwork, missingHalf, quoted, repeated } from './rule-facts.ts';
import { type Configuration, durationMs, type KeySetConfiguration } from './schema.ts';

type KeySetName = 'keys' | 'tlsKeys';

function keySets({ repository: { keys, tlsKeys } }: Configuration): [KeySetName, KeySetConfiguration][] {
  return tlsKeys
    ? [
        ['keys', keys],
        ['tlsKeys', tlsKeys],
      ]
    : [['keys', keys]];
}

export function privateKeysBelongToRecipients(configuration: Configuration): RuleFinding[] {
  return keySets(configuration).flatMap(([set, { recipients, private: held }]) => {
    const names = recipients.map((one) => one.name);
    // Until its rotation is done, the key of a recipient that was replaced still opens what is stored.
    const others = held.some((key) => names.includes(key.name));
    return held.flatMap((key, index): RuleFinding[] =>
      names.includes(key.name)
        ? []
        : [
            {
              level: others ? 'warning' : 'error',
              path: ['repository', set, 'private', index, 'name'],
              message: `'${key.name}' is not among the recipients (${quoted(names)}), so this key opens ${others ? "only what is stored until 'dr keys rotate' is done" : 'nothing'}`,
            },
          ],
    );
  });
}

export function recipientsHaveOwnNamesAndKeys(configuration: Configuration): RuleFinding[] {
  return keySets(configuration).flatMap(([set, { recipients, kms }]) => [
    ...twice(
      ['repository', set, 'recipients'],
      'name',
      recipients.map((one) => one.name),
    ),
    ...kms.flatMap(({ name }, index): RuleFinding[] =>
      [...recipients, ...kms.slice(0, index)].some((one) => one.name === name)
        ? [{ level: 'error', path: ['repository', set, 'kms', index, 'name'], message: `'${name}' is given twice` }]
        : [],
    ),
    ...twice(
      ['repository', set, 'kms'],
      'arn',
      kms.map((one) => one.arn),
    ),
    ...twice(
      ['repository', set, 'recipients'],
      'publicKey',
      recipients.map((one) => one.publicKey),
    ),
  ]);
}

export function signersHaveOwnNames({ repository }: Configuration): RuleFinding[] {
  return twice(
    ['repository', 'signing', 'trusted'],
    'name',
    repository.signing.trusted.map((one) => one.name),
  );
}

export function channelsHaveOwnNames({ notifications }: Configuration): RuleFinding[] {
  return twice(
    ['notifications'],
    'name',
    notifications.map((one) => one.name),
  );
}

function twice(path: readonly PathPart[], member: string, values: readonly string[]): RuleFinding[] {
  return repeated(values).map((index) => ({
    level: 'error',
    path: [...path, index, member],
    message: `'${values[index]}' is given twice`,
  }));
}

export function oneRecipientIsKeptOffline(configuration: Configuration): RuleFinding[] {
  return keySets(configuration).flatMap(([set, { recipients, private: held }]): RuleFinding[] => {
    const online = held.map((key) => key.name);
    if (recipients.some((one) => !online.includes(one.name))) return [];
    const message = 'no recipient is kept offline: losing these machines loses every backup; add an escrow key';
    return [{ level: 'warning', path: ['repository', set, 'recipients'], message }];
  });
}

export function certificatesHaveOwnKeyDomain({ sites, repository }: Configuration): RuleFinding[] {
  if (repository.tlsKeys || !Object.values(sites).some((site) => site.tls)) return [];
  const message = 'certificates share the key domain of the data: whoever restores data can read their private keys';
  return [{ level: 'warning', path: ['repository'], message, example: 'repository.tlsKeys' }];
}

export function signingKeyIsTrusted({ repository }: Configuration): RuleFinding[] {
  const { name, trusted } = repository.signing;
  if (trusted.some((one) => one.name === name)) return [];
  const message = `'${name}' is not among the trusted keys (${quoted(trusted.map((one) => one.name))}), so what it seals would be refused`;
  return [{ level: 'error', path: ['repository', 'signing', 'name'], message, example: trusted[0]?.name ?? 'witness' }];
}

export function tierAccountsAreComplete({ repository }: Configuration): RuleFinding[] {
  return Object.entries(repository.tiers).flatMap(([name, tier]): RuleFinding[] => {
    const missing = tier.kind === 's3' ? missingHalf(tier) : null;
    if (missing === null) return [];
    return [
      {
        level: 'error',
        path: ['repository', 'tiers', name],
        message: `${missing} is missing: give both halves of the account, or neither to take the machine's own`,
      },
    ];
  });
}

export function endpointsAreEncrypted({ repository }: Configuration): RuleFinding[] {
  return Object.entries(repository.tiers).flatMap(([name, tier]): RuleFinding[] => {
    if (tier.kind !== 's3' || tier.endpoint === undefined) return [];
    const { protocol, hostname } = new URL(tier.endpoint);
    if (protocol !== 'http:' || isLoopback(hostname)) return [];
    const message = 'names of backups cross the network in plain text: use https';
    return [{ level: 'warning', path: ['repository', 'tiers', name, 'endpoint'], message }];
  });
}

export function kmsAccountsAreComplete(configuration: Configuration): RuleFinding[] {
  return kmsKeys(configuration).flatMap(({ path, key }): RuleFinding[] => {
    const missing = missingHalf(key);
    if (missing === null) return [];
    const message = `${missing} is missing: give both halves of the account, or neither to take the machine's own`;
    return [{ level: 'error', path, message }];
  });
}

export function kmsIsReachedEncrypted(configuration: Configuration): RuleFinding[] {
  return kmsKeys(configuration).flatMap(({ path, key }): RuleFinding[] => {
    if (!isOpenToTheNetwork(key.endpoint)) return [];
    const message = 'the keys of backups would cross the network in plain text: use https';
    return [{ level: 'error', path: [...path, 'endpoint'], message }];
  });
}

const kmsKeys = (configuration: Configuration) =>
  keySets(configuration).flatMap(([set, { kms }]) =>
    kms.map((key, index) => ({ key, path: ['repository', set, 'kms', index] as const })),
  );

export function oneTierIsElsewhere({ repository }: Configuration): RuleFinding[] {
  const tiers = Object.values(repository.tiers);
  if (tiers.some((tier) => tier.kind === 's3')) return [];
  const message =
    tiers.length === 1
      ? 'there is one copy only: add a second tier, away from this site'
      : 'every tier is a folder: make sure that one is not on the machines of this site';
  return [{ level: 'warning', path: ['repository', 'tiers'], message }];
}

export function storageClassFitsRetention({ repository }: Configuration): RuleFinding[] {
  const MINIMUM = { STANDARD: '0d', STANDARD_IA: '30d', GLACIER_IR: '90d' } as const;
  return Object.entries(repository.tiers).flatMap(([name, tier]): RuleFinding[] => {
    if (tier.kind !== 's3' || durationMs(tier.keep) >= durationMs(MINIMUM[tier.storageClass])) return [];
    const message = `${tier.storageClass} is billed for ${MINIMUM[tier.storageClass]} whatever is deleted earlier (keep is ${tier.keep})`;
    return [
      { level: 'warning', path: ['repository', 'tiers', name, 'keep'], message, example: MINIMUM[tier.storageClass] },
    ];
  });
}

export function foldersAreApart(configuration: Configuration): RuleFinding[] {
  const folders = ownFolders(configuration);
  return folders.flatMap((one, index) =>
    folders.slice(0, index).flatMap((other): RuleFinding[] => {
      if (!isWithin(one.folder, other.folder) && !isWithin(other.folder, one.folder)) return [];
      const message = `'${one.folder}' and '${other.folder}' (${other.path.join('.')}) lie within each other: what cleans the one would remove the other`;
      return [{ level: 'error', path: one.path, message }];
    }),
  );
}

function ownFolders({ repository, witness, sites }: Configuration): { path: PathPart[]; folder: string }[] {
  const tiers = Object.entries(repository.tiers).flatMap(([name, tier]) =>
    tier.kind === 'folder' ? [{ path: ['repository', 'tiers', name, 'path'], folder: tier.path }] : [],
  );
  const work = Object.entries(sites).map(([name, site]) => ({
    path: ['sites', name, 'workDirectory'],
    folder: site.workDirectory,
  }));
  const data = Object.entries(sites).flatMap(([name, site]) =>
    (['postgres', 'redis', 'rabbitmq'] as const).flatMap((system) => {
      const folder = site[system]?.dataDirectory;
      return folder === undefined ? [] : [{ path: ['sites', name, system, 'dataDirectory'], folder }];
    }),
  );
  const single = [
    { path: ['repository', 'spool'], folder: repository.spool },
    { path: ['witness', 'directory'], folder: witness.directory },
  ];
  // Sites are different machines, so the same work or data folder at two of them is no clash.
  return [...single, ...tiers, ...unique(work), ...unique(data)];
}

const unique = <T extends { folder: string }>(entries: readonly T[]): T[] =>
  entries.filter((entry, index) => entries.findIndex((other) => other.folder === entry.folder) === index);

const isWithin = (inner: string, outer: string): boolean => `${tidy(inner)}/`.startsWith(`${tidy(outer)}/`);
const tidy = (folder: string): string => folder.replaceAll(/\/+/g, '/').replace(/\/$/, '');
