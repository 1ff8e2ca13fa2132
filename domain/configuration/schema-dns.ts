// Settings of the public names: the zone, what moves in it, and what each site gives.
import { z } from 'zod';
import { DNS_RECORD_TYPES } from '../dns.ts';
import { argv, duration, port, secret } from './values.ts';

const HOST_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.?$/i;
const hostName = z
  .string()
  .max(253)
  .regex(HOST_NAME, 'a name is labels of letters, digits, - and _ with dots between, for example app.orders.example');
const dnsServer = z
  .string()
  .regex(
    /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/,
    'a server is a host or address, with a port other than 53 behind a colon, for example 192.0.2.53 or [2001:db8::53]:5353',
  );

export const dnsOfSite = z.strictObject({
  addresses: z
    .record(hostName, z.array(z.union([z.ipv4(), z.ipv6(), hostName])).min(1))
    .describe('what each name of dns.records points at while this site serves'),
  healthCheck: z
    .strictObject({
      id: z.string().min(1).describe('the Route 53 health check that watches an object of yours outside of this site'),
      withdraw: argv.describe(
        'removes that object, so that the check fails and the other site is given; may run twice',
      ),
      offer: argv.describe('puts it back; may run twice'),
    })
    .optional()
    .describe("the second switch: moves traffic while Route 53's change API is away"),
});

export const dns = z.strictObject({
  zone: z.string().regex(/^[A-Z0-9]{1,32}$/, 'the id of a hosted zone, for example Z0123456789ABCDEFGHIJ'),
  name: hostName.describe('the name of that zone; a move refuses a zone of another name'),
  region: z.string().default('us-east-1').describe("where Route 53's change API lives"),
  endpoint: z.url().optional(),
  accessKeyId: secret.optional(),
  secretAccessKey: secret.optional(),
  records: z
    .array(z.strictObject({ name: hostName, type: z.enum(DNS_RECORD_TYPES), ttl: duration.default('30s') }))
    .min(1)
    .describe('the public names that move to the site that serves'),
  epochRecord: hostName.optional().describe('name of the TXT record of the epoch; default: _holdfast-epoch.<name>'),
  ttlBudget: duration.default('1min').describe('how long a client may hold the old address'),
  propagationLimit: duration.default('5min').describe('how long a change may take until every server gives it'),
  authoritativeServers: z.array(dnsServer).min(1).optional().describe("default: the zone's own name servers"),
  resolvers: z
    .array(dnsServer)
    .default([])
    .describe('resolvers that clients use; asked after the authoritative servers'),
  probePorts: z.array(port).min(1).default([443]).describe('where the old addresses must refuse'),
});
