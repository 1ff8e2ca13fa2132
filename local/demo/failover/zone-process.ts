// The zone of the public name: Route 53's gate and its DNS servers, outside of both sites.
import { type LocalRoute53Options, startRoute53 } from '../../route53.ts';
import { askedToEnd, given, tellReady } from './child.ts';

/** What the demo needs to know of it. */
export interface ZoneFacts {
  readonly endpoint: string;
  readonly zoneId: string;
  readonly zoneName: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Address and port of each. */
  readonly nameServers: readonly string[];
}

if (import.meta.main) {
  const zone = await startRoute53(await given<LocalRoute53Options>());
  const { endpoint, zoneId, zoneName, accessKeyId, secretAccessKey, nameServers } = zone;
  const facts: ZoneFacts = {
    ...{ endpoint, zoneId, zoneName, accessKeyId, secretAccessKey },
    nameServers: nameServers.map(({ address }) => address),
  };
  tellReady(facts);
  await askedToEnd();
  process.exit();
}
