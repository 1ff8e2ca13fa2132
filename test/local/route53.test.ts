// The gate in place of Route 53 is as strict as the API's reference says: the rules that a compare-and-set rests on.
// https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
import { Resolver } from 'node:dns/promises';
import { ChangeResourceRecordSetsCommand, Route53Client } from '@aws-sdk/client-route-53';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { afterBatch, type ZoneChange, type ZoneRecordSet } from '../../local/route53/hosted-zone.ts';
import { type LocalRoute53, startRoute53 } from '../../local/route53.ts';

const ZONE = 'orders.example.';
const a = (name: string, ...values: string[]): ZoneRecordSet => ({
  name: `${name}.${ZONE}`,
  type: 'A',
  ttl: 30,
  values,
});
const epoch = (value: string, ttl = 60): ZoneRecordSet => ({
  name: `_epoch.${ZONE}`,
  type: 'TXT',
  ttl,
  values: [`"${value}"`],
});
const held = new Map([a('app', '192.0.2.1'), epoch('one')].map((set) => [`${set.name} ${set.type} `, set]));
const change = (action: string, set: ZoneRecordSet): ZoneChange => ({ action, set });

const refusalsOf = (...changes: ZoneChange[]): readonly string[] => {
  const after = afterBatch(held, changes, ZONE);
  return 'refused' in after ? after.refused : [];
};

const EPOCH = "[name='_epoch.orders.example.', type='TXT']";
const APP = "[name='app.orders.example.', type='A']";

describe('a change batch', () => {
  it('replaces by DELETE of exactly what is there and CREATE, in one', () => {
    const after = afterBatch(held, [change('DELETE', epoch('one')), change('CREATE', epoch('two'))], ZONE);
    expect('records' in after && [...after.records.values()]).toEqual([a('app', '192.0.2.1'), epoch('two')]);
  });

  it.each<readonly [string, ZoneChange[], string]>([
    [
      'a DELETE of another value',
      [change('DELETE', epoch('two'))],
      `Tried to delete resource record set ${EPOCH} but the values provided do not match the current values`,
    ],
    [
      'a DELETE with another TTL',
      [change('DELETE', epoch('one', 30))],
      `Tried to delete resource record set ${EPOCH} but the values provided do not match the current values`,
    ],
    [
      'a DELETE of what is not there',
      [change('DELETE', a('no', '192.0.2.1'))],
      "Tried to delete resource record set [name='no.orders.example.', type='A'] but it was not found",
    ],
    [
      'a CREATE of what is there, with the same value too',
      [change('CREATE', a('app', '192.0.2.1'))],
      `Tried to create resource record set ${APP} but it already exists`,
    ],
    [
      'a CNAME beside another record',
      [change('UPSERT', { ...a('app'), type: 'CNAME', values: ['x.example'] })],
      "RRSet [name='app.orders.example.', type='CNAME'] is not permitted as it conflicts with other records with the same DNS name",
    ],
    [
      'a name of another zone',
      [change('CREATE', { ...a('app', '192.0.2.1'), name: 'app.other.example.' })],
      'RRSet with DNS name app.other.example. is not permitted in zone orders.example.',
    ],
    ['a record without values', [change('UPSERT', a('app'))], `${APP} has no values`],
    [
      'an address that is none',
      [change('UPSERT', a('app', '192.0.2.256'))],
      "Value '192.0.2.256' is not fit for a A record",
    ],
    [
      'a TXT value without quotes',
      [change('UPSERT', { ...epoch('x'), values: ['x'] })],
      "Value 'x' is not fit for a TXT record",
    ],
  ])('with %s is refused', (_, changes, why) => {
    expect(refusalsOf(...changes)).toEqual([why]);
  });

  it('is refused as a whole: what was fit in it is not made either', () => {
    const after = afterBatch(held, [change('UPSERT', a('app', '192.0.2.2')), change('DELETE', epoch('two'))], ZONE);
    expect('refused' in after && after.refused).toHaveLength(1);
    expect([...held.values()]).toEqual([a('app', '192.0.2.1'), epoch('one')]);
  });
});

describe('the name servers', () => {
  let gate: LocalRoute53;
  let client: Route53Client;

  beforeAll(async () => {
    const many = Array.from({ length: 60 }, (_, index) => `192.0.2.${index + 1}`);
    gate = await startRoute53({ zoneName: ZONE, records: [a('app', '192.0.2.1'), a('many', ...many), epoch('one')] });
    const { endpoint, accessKeyId, secretAccessKey } = gate;
    client = new Route53Client({ endpoint, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } });
  });

  afterAll(async () => {
    client?.destroy();
    await gate?.close();
  });

  const resolver = (): Resolver => {
    const asking = new Resolver();
    asking.setServers(gate.nameServers.map(({ address }) => address));
    return asking;
  };

  it('answer any resolver: addresses, texts, long answers by TCP, and names that are not there', async () => {
    expect(await resolver().resolve4('app.orders.example')).toEqual(['192.0.2.1']);
    expect(await resolver().resolveTxt('_epoch.orders.example')).toEqual([['one']]);
    expect(await resolver().resolve4('many.orders.example')).toHaveLength(60);
    await expect(resolver().resolve4('no.orders.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('give a change when it is INSYNC and not before', async () => {
    gate.pendingMs = Number.POSITIVE_INFINITY;
    const ResourceRecordSet = {
      Name: 'app.orders.example',
      Type: 'A' as const,
      TTL: 30,
      ResourceRecords: [{ Value: '192.0.2.2' }],
    };
    const ChangeBatch = { Changes: [{ Action: 'UPSERT' as const, ResourceRecordSet }] };
    const send = () => client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: gate.zoneId, ChangeBatch }));
    expect((await send()).ChangeInfo?.Status).toBe('PENDING');
    expect(await resolver().resolve4('app.orders.example')).toEqual(['192.0.2.1']);
    gate.pendingMs = 0;
    expect((await send()).ChangeInfo?.Status).toBe('INSYNC');
    expect(await resolver().resolve4('app.orders.example')).toEqual(['192.0.2.2']);
  });
});
