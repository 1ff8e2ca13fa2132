import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DnsFixture,
  EAST,
  EPOCH_RECORD,
  failureOf,
  held,
  plannedMove,
  startZone,
  WEST,
  ZONE,
} from './zone-fixture.ts';

let zone: DnsFixture;

beforeEach(async () => {
  zone = await startZone();
});

afterEach(() => zone.gate.close());

describe('readDns', () => {
  it('tells the zone, who serves, and that no run has moved it yet', async () => {
    expect(await zone.dns.readDns({})).toEqual({
      zone: { id: zone.gate.zoneId, name: ZONE },
      epoch: null,
      records: [
        { name: `app.${ZONE}`, type: 'A', values: [WEST], ttl: 1, failover: null },
        { name: `api.${ZONE}`, type: 'CNAME', values: [`west.${ZONE}`], ttl: 1, failover: null },
      ],
      whoServes: 'west',
      findings: [
        { level: 'ok', subject: `record app.${ZONE} A`, message: `${WEST}, TTL 1 s`, code: null },
        { level: 'ok', subject: `record api.${ZONE} CNAME`, message: `west.${ZONE}, TTL 1 s`, code: null },
        {
          level: 'ok',
          subject: `epoch record _holdfast-epoch.${ZONE}`,
          message: 'not there yet: the first move makes it',
          code: null,
        },
        { level: 'ok', subject: 'traffic', message: "goes to 'west'", code: null },
        {
          level: 'warning',
          subject: 'second switch',
          message: "there is none: while Route 53's change API is down, traffic cannot be moved; see dns.healthCheck",
          code: null,
        },
      ],
    });
  });

  it('warns of a TTL that keeps clients at the old address for longer than the budget', async () => {
    const { findings } = await zone.with({ ttlBudget: '0s' }).readDns({});
    expect(findings[0]).toEqual({
      level: 'warning',
      subject: `record app.${ZONE} A`,
      message: 'TTL 1 s: clients may hold the old address that long after a move, and the budget is 0 s',
      code: null,
    });
  });
});

describe('moveDns', () => {
  it('moves the epoch and every record in one batch, and nothing else', async () => {
    const move = await plannedMove(zone.dns, 'east', 'failover/orders');
    const { text } = await zone.dns.moveDns(move);
    const { epoch, whoServes } = await zone.dns.readDns({});
    expect(epoch).toEqual({ number: 1, text, site: 'east', run: 'failover/orders' });
    expect(whoServes).toBe('east');
    expect(held(zone, EPOCH_RECORD)).toEqual([text]);
    expect(held(zone, `app.${ZONE}.`)).toEqual([EAST]);
    expect(held(zone, `api.${ZONE}.`)).toEqual([`east.${ZONE}`]);
    expect(held(zone, `mail.${ZONE}.`)).toEqual(['"v=spf1 -all"']);
    expect(zone.gate.count).toEqual({ made: 1, refused: 0 });
  });

  it('moves back under the next epoch', async () => {
    const there = await zone.dns.moveDns(await plannedMove(zone.dns, 'east', 'failover/orders'));
    await zone.dns.moveDns({ expected: there.text, epoch: 2, to: 'west', run: 'failback/orders' });
    const { epoch, whoServes } = await zone.dns.readDns({});
    expect(epoch).toMatchObject({ number: 2, site: 'west', run: 'failback/orders' });
    expect(whoServes).toBe('west');
  });

  it('faults 49, 51: refuses a plan whose epoch is stale, and changes nothing', async () => {
    const stale = await plannedMove(zone.dns, 'east', 'failover/one');
    await zone.dns.moveDns({ ...stale, run: 'failover/two' });
    const before = zone.gate.records();
    const failure = await failureOf(zone.dns.moveDns(stale));
    expect([failure.code, failure.message]).toEqual([
      'DNS_STALE',
      "the move to 'east' as epoch 1 was planned on no epoch, and the zone has epoch 1 of 'east' by run 'failover/two'",
    ]);
    expect(zone.gate.records()).toEqual(before);
  });

  it('faults 48: of 50 moves at once, over one read zone, exactly one is made and 49 are told who was quicker', async () => {
    const planned = await plannedMove(zone.dns, 'east', '');
    const runs = Array.from({ length: 50 }, (_, index) => `failover/${index}`);
    const outcomes = await Promise.allSettled(runs.map((run) => zone.dns.moveDns({ ...planned, run })));
    const [winner, ...others] = outcomes.flatMap((one, index) => (one.status === 'fulfilled' ? [runs[index]] : []));
    const told = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(others).toEqual([]);
    expect((await zone.dns.readDns({})).epoch).toMatchObject({ number: 1, run: winner });
    expect(told.map(({ code }) => code)).toEqual(Array(49).fill('DNS_STALE'));
    expect(told.every(({ message }) => message.endsWith(`by run '${winner}'`))).toBe(true);
    expect(zone.gate.count.made).toBe(1);
  });

  it('faults 3: a move whose answer was lost is found done by the next attempt', async () => {
    const move = await plannedMove(zone.dns, 'east', 'failover/orders');
    zone.gate.fate = (operation) => (operation === 'ChangeResourceRecordSets' ? 'lose' : 'answer');
    expect((await failureOf(zone.dns.moveDns(move))).code).toBe('DNS_UNREACHABLE');
    zone.gate.fate = () => 'answer';
    const before = zone.gate.records();
    const again = await zone.dns.moveDns(move);
    expect(again.text).toBe(held(zone, EPOCH_RECORD)[0]);
    expect(zone.gate.records()).toEqual(before);
    expect(await zone.dns.awaitDns({ changeId: again.changeId, to: 'east' })).toMatchObject({ findings: [] });
  });

  it.each(['document', 'error'] as const)(
    'faults 3: a lost answer is not taken for a defeat when the client asks again by itself (refused by %s)',
    async (form) => {
      zone.gate.refusal = form;
      const move = await plannedMove(zone.dns, 'east', 'failover/orders');
      let isFirst = true;
      zone.gate.fate = (operation) => {
        if (operation !== 'ChangeResourceRecordSets' || !isFirst) return 'answer';
        isFirst = false;
        return 'lose';
      };
      const { text } = await zone.dns.moveDns(move);
      expect(held(zone, EPOCH_RECORD)).toEqual([text]);
      expect(zone.gate.count.refused).toBe(1);
    },
  );

  it('refuses an epoch that does not rise', async () => {
    const { text } = await zone.dns.moveDns({ expected: null, epoch: 7, to: 'east', run: 'failover/a' });
    const failure = await failureOf(zone.dns.moveDns({ expected: text, epoch: 7, to: 'west', run: 'failover/b' }));
    expect(failure.code).toBe('DNS_STALE');
    expect(zone.gate.count.made).toBe(1);
  });

  it('refuses a site that has no addresses', async () => {
    const failure = await failureOf(zone.dns.moveDns({ expected: null, epoch: 1, to: 'north', run: 'failover/a' }));
    expect([failure.code, failure.message]).toEqual(['DNS_UNFIT', "site 'north' has no dns.addresses"]);
  });
});

describe('undoMoveDns', () => {
  it('gives the zone back under the next epoch', async () => {
    const move = await plannedMove(zone.dns, 'east', 'failover/orders');
    await zone.dns.moveDns(move);
    await zone.dns.undoMoveDns({ move, epoch: 2, to: 'west' });
    expect(await zone.dns.readDns({})).toMatchObject({ epoch: { number: 2, site: 'west' }, whoServes: 'west' });
  });

  it('run twice gives it back once', async () => {
    const move = await plannedMove(zone.dns, 'east', 'failover/orders');
    await zone.dns.moveDns(move);
    const first = await zone.dns.undoMoveDns({ move, epoch: 2, to: 'west' });
    const again = await zone.dns.undoMoveDns({ move, epoch: 2, to: 'west' });
    expect(again.text).toBe(first.text);
  });

  it('faults 2: before the move arrived, makes the zone refuse the move that is still on its way', async () => {
    const move = await plannedMove(zone.dns, 'east', 'failover/orders');
    await zone.dns.undoMoveDns({ move, epoch: 2, to: 'west' });
    expect((await failureOf(zone.dns.moveDns(move))).code).toBe('DNS_STALE');
    expect(await zone.dns.readDns({})).toMatchObject({ epoch: { number: 2 }, whoServes: 'west' });
  });

  it('refuses when somebody else has moved the zone since', async () => {
    const move = await plannedMove(zone.dns, 'east', 'failover/orders');
    const { text } = await zone.dns.moveDns(move);
    await zone.dns.moveDns({ expected: text, epoch: 2, to: 'west', run: 'failover/other' });
    expect((await failureOf(zone.dns.undoMoveDns({ move, epoch: 3, to: 'west' }))).code).toBe('DNS_STALE');
  });
});
