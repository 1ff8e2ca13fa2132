// What a configuration says of a public name that a local zone serves.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigurationInput } from '../../local/platform.ts';
import type { LocalRoute53 } from '../../local/route53.ts';

export interface PublicName {
  readonly zone: LocalRoute53;
  readonly zoneName: string;
  /** One record of type A with a time to live of a second. */
  readonly name: string;
  /** The address of each site. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Where the keys of the zone's account are put, as files. */
  readonly folder: string;
}

/** Adds the name to a configuration whose sites the addresses are of. */
export async function withPublicName(
  configuration: ConfigurationInput,
  { zone, zoneName, name, addresses, folder }: PublicName,
): Promise<ConfigurationInput> {
  const secret = async (file: string, value: string) => {
    await writeFile(join(folder, file), value, { mode: 0o600 });
    return `\${file:${join(folder, file)}}`;
  };
  const sites = Object.entries(configuration.sites).map(([site, settings]) => {
    const dns = { addresses: { [name]: [addresses[site] ?? ''] } };
    return [site, { ...settings, dns }] as const;
  });
  return {
    ...configuration,
    sites: Object.fromEntries(sites),
    dns: {
      ...{ zone: zone.zoneId, name: zoneName, endpoint: zone.endpoint },
      accessKeyId: await secret('route53-id', zone.accessKeyId),
      secretAccessKey: await secret('route53-key', zone.secretAccessKey),
      records: [{ name, type: 'A', ttl: '1s' }],
      authoritativeServers: zone.nameServers.map(({ address }) => address),
    },
  };
}
