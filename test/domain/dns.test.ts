import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { epochText, isClaim, parseEpochText, sameAddresses } from '../../domain/dns.ts';
import {
  checkZone,
  type DnsSettings,
  dnsState,
  planMove,
  type RecordSet,
  type ZoneFacts,
} from '../../domain/dns-zone.ts';

const AT = '2026-11-24T03:00:00.000Z';

describe('the epoch as a text', () => {
  it('is readable by a person who asks for the record', () => {
    expect(epochText({ number: 7, site: 'east', run: 'failover/orders' }, AT)).toBe(
      '"holdfast epoch=7 site=east run=failover/orders at=2026-11-24T03:00:00.000Z"',
    );
  });

  it('says what it was made from, in strings that DNS can carry, whatever the run is called', () => {
    const claim = fc.record({
      number: fc.nat(),
      site: fc.string({ minLength: 1 }),
      run: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }),
    });
    fc.assert(
      fc.property(claim, (made) => {
        const text = epochText(made, AT);
        expect(text).toMatch(/^"[\x21\x23-\x7e ]{1,255}"( "[\x21\x23-\x7e ]{1,255}")*$/);
        expect(parseEpochText(text)).toEqual(made);
        expect(isClaim(text, made)).toBe(true);
      }),
    );
  });

  it.each(['"v=spf1 -all"', '"holdfast epoch=x site=a run=b at=c"', '"holdfast epoch=1 site=%zz run=b at=c"', ''])(
    'of somebody else is not taken for ours: %s',
    (text) => expect(parseEpochText(text)).toBeNull(),
  );
});

describe('sameAddresses', () => {
  it('knows the same addresses in any order and form', () => {
    expect(sameAddresses(['192.0.2.1', '2001:db8::1'], ['2001:DB8:0:0::1', '192.0.2.1'])).toBe(true);
    expect(sameAddresses(['West.Orders.example.'], ['west.orders.example'])).toBe(true);
    expect(sameAddresses(['192.0.2.1'], ['192.0.2.1', '192.0.2.2'])).toBe(false);
  });
});

const settings: DnsSettings = {
  zone: 'Z1',
  name: 'orders.example',
  epochRecord: '_epoch.orders.example',
  records: [{ name: 'app.orders.example', type: 'A', ttl: 30 }],
  ttlBudgetSeconds: 60,
  sites: {
    west: { addresses: { 'app.orders.example': ['192.0.2.1'] }, healthCheck: null },
    east: { addresses: { 'app.orders.example': ['192.0.2.2'] }, healthCheck: null },
  },
};

const app: RecordSet = {
  ...{ name: 'app.orders.example', type: 'A', ttl: 30, values: ['192.0.2.1'] },
  ...{ setIdentifier: null, role: null, healthCheck: null, other: null },
};
const epoch = (...values: string[]): RecordSet => ({ ...app, name: '_epoch.orders.example', type: 'TXT', values });
const zoneWith = (...recordSets: RecordSet[]): ZoneFacts => ({
  zone: { id: 'Z1', name: 'orders.example' },
  nameServers: [],
  recordSets,
  health: {},
});
const failedIn = (facts: ZoneFacts): string[] =>
  checkZone(facts, settings).flatMap(({ level, message }) => (level === 'failed' ? [message] : []));

describe('checkZone', () => {
  it.each<readonly [string, ZoneFacts, string]>([
    [
      'the wrong zone',
      { ...zoneWith(app), zone: { id: 'Z1', name: 'other.example' } },
      "it is 'other.example' and not 'orders.example': the wrong zone",
    ],
    ['an empty zone', zoneWith(), 'the zone has no such record: make it, or correct its name in dns.records'],
    ['an alias', zoneWith({ ...app, values: [], other: 'an alias' }), 'it is an alias, which a move would destroy'],
    [
      'a weighted record',
      zoneWith({ ...app, other: 'a weighted record' }),
      'it is a weighted record, which a move would destroy',
    ],
    [
      'a CNAME where an A is wanted',
      zoneWith({ ...app, type: 'CNAME', values: ['x.example'] }),
      'the zone has a CNAME record under this name, which cannot stand beside a A',
    ],
    [
      'half a pair',
      zoneWith({ ...app, role: 'PRIMARY', setIdentifier: 'p' }),
      'it is a pair of failover records, and the sites have no dns.healthCheck',
    ],
    ['an epoch of somebody else', zoneWith(app, epoch('"x"')), 'it holds a text of somebody else, "x"'],
  ])('faults 60: forbids a move in %s', (_, facts, why) => {
    expect(failedIn(facts)).toEqual([why]);
  });

  it("warns when the records give nobody's addresses", () => {
    const facts = zoneWith({ ...app, values: ['203.0.113.9'] });
    expect(failedIn(facts)).toEqual([]);
    expect(dnsState(facts, settings).whoServes).toBeNull();
  });
});

describe('planMove', () => {
  it('takes the TTL that the zone has, and the text that the plan was made on', () => {
    const planned = { to: 'east', expected: '"planned"', text: '"next"' };
    expect(planMove(zoneWith(app, { ...epoch('"read"'), ttl: 300 }), settings, planned)).toEqual([
      { action: 'DELETE', recordSet: { ...epoch('"planned"'), ttl: 300 } },
      { action: 'CREATE', recordSet: { ...epoch('"next"'), ttl: 60 } },
      { action: 'UPSERT', recordSet: { ...app, values: ['192.0.2.2'] } },
    ]);
  });
});
