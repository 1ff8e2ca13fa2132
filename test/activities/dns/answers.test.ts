import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DnsActivities } from '../../../domain/contracts/dns.ts';
import { startRoute53 } from '../../../local/route53.ts';
import { freePort } from '../../../local/servers.ts';
import { type DnsFixture, EAST, failureOf, plannedMove, startZone, WEST, ZONE } from './zone-fixture.ts';

let zone: DnsFixture;

beforeEach(async () => {
  zone = await startZone();
});

afterEach(() => zone.gate.close());

async function move(dns: DnsActivities = zone.dns, to = 'east'): Promise<string> {
  return (await dns.moveDns(await plannedMove(dns, to, `failover/${to}`))).changeId;
}

const told = (from: string, app: string): string => `app.${ZONE} A: ${app}; api.${ZONE} CNAME: ${from}.${ZONE}`;

describe('awaitDns', () => {
  it('waits for INSYNC and then hears the new addresses from every authoritative server', async () => {
    zone.gate.pendingMs = 1500;
    const changeId = await move();
    const { insyncAt, ...rest } = await zone.dns.awaitDns({ changeId, to: 'east' });
    expect(Date.parse(insyncAt)).not.toBeNaN();
    expect(rest).toEqual({
      servers: zone.gate.nameServers.map(({ address }) => ({
        server: address,
        kind: 'authoritative',
        says: 'new',
        words: told('east', EAST),
      })),
      resolverShare: 1,
      findings: [],
    });
  });

  it("asks the zone's own name servers where none are configured", async () => {
    const { authoritativeServers: _, ...rest } = zone.settings;
    const dns = zone.over(rest);
    const { servers } = await dns.awaitDns({ changeId: await move(dns), to: 'east' });
    expect(servers.map(({ server }) => server)).toEqual(zone.gate.nameServers.map(({ address }) => address));
  });

  it('faults 58: does not count a change as moved that stays PENDING', async () => {
    zone.gate.pendingMs = Number.POSITIVE_INFINITY;
    const dns = zone.with({ propagationLimit: '1s' });
    const changeId = await move(dns);
    const failure = await failureOf(dns.awaitDns({ changeId, to: 'east' }));
    expect([failure.code, failure.message]).toEqual([
      'DNS_PENDING',
      `change '${changeId}' is not known to be INSYNC after 1 s: it is PENDING`,
    ]);
  });

  it('faults 58: waits on while the API that would say INSYNC is away', async () => {
    const changeId = await move();
    let lost = 4;
    zone.gate.fate = (operation) => (operation === 'GetChange' && lost-- > 0 ? 'drop' : 'answer');
    expect(await zone.dns.awaitDns({ changeId, to: 'east' })).toMatchObject({ findings: [] });
    expect(lost).toBeLessThan(0);
  });

  it('faults 58: finds out an INSYNC that lies: no server gives the new addresses', async () => {
    zone.gate.lies = true;
    const dns = zone.with({ propagationLimit: '1s' });
    const failure = await failureOf(dns.awaitDns({ changeId: await move(dns), to: 'east' }));
    const words = zone.gate.nameServers.map(({ address }) => `${address} says ${told('west', WEST)}`);
    expect([failure.code, failure.message]).toEqual([
      'DNS_UNPROVEN',
      `2 of 2 authoritative servers do not give 'east' in time: ${words.join('; ')}`,
    ]);
  });

  it('faults 58: finds out the one authoritative server that still gives the old addresses', async () => {
    const [, late] = zone.gate.nameServers;
    late?.freeze();
    const dns = zone.with({ propagationLimit: '1s' });
    const changeId = await move(dns);
    const failure = await failureOf(dns.awaitDns({ changeId, to: 'east' }));
    expect([failure.code, failure.message]).toEqual([
      'DNS_UNPROVEN',
      `1 of 2 authoritative servers do not give 'east' in time: ${late?.address} says ${told('west', WEST)}`,
    ]);
    late?.thaw();
    expect(await dns.awaitDns({ changeId, to: 'east' })).toMatchObject({ resolverShare: 1 });
  });

  it('faults 58: takes a server that does not answer for unproven', async () => {
    const silent = `127.0.0.1:${await freePort()}`;
    const dns = zone.with({ authoritativeServers: [silent], propagationLimit: '1s' });
    const failure = await failureOf(dns.awaitDns({ changeId: await move(dns), to: 'east' }));
    expect(failure.code).toBe('DNS_UNPROVEN');
    expect(failure.message).toContain(`${silent} says app.${ZONE} A:`);
  });

  it('faults 59: tells the share of resolvers whose caches hold the old addresses for longer than two TTLs', async () => {
    const other = await startZone();
    const [fresh] = zone.gate.nameServers;
    const [stale] = other.gate.nameServers;
    const resolvers = [fresh?.address ?? '', stale?.address ?? ''];
    const dns = zone.with({ resolvers });
    const answers = await dns.awaitDns({ changeId: await move(dns), to: 'east' }).finally(() => other.gate.close());
    expect(answers.resolverShare).toBe(0.5);
    expect(answers.findings).toEqual([
      {
        level: 'warning',
        subject: `resolver ${resolvers[1]}`,
        message: `does not give the new addresses two TTLs after the move: ${told('west', WEST)}`,
        code: null,
      },
    ]);
  });
});

describe('askDns', () => {
  it('faults 60: judges a server by its worst record: half a move is none', async () => {
    const half = await startZone([
      { name: `app.${ZONE}.`, type: 'A', ttl: 1, values: [EAST] },
      { name: `api.${ZONE}.`, type: 'CNAME', ttl: 1, values: [`west.${ZONE}`] },
    ]);
    const dns = zone.with({ authoritativeServers: half.gate.nameServers.map(({ address }) => address) });
    const answers = await dns.askDns({ to: 'east' }).finally(() => half.gate.close());
    expect(answers.map(({ says }) => says)).toEqual(['old', 'old']);
  });

  it('does not believe a server that has no authority over the zone', async () => {
    const other = await startRoute53({ zoneName: 'other.example', records: [] });
    const dns = zone.with({ authoritativeServers: other.nameServers.map(({ address }) => address) });
    const answers = await dns.askDns({ to: 'west' }).finally(() => other.close());
    expect(answers.map(({ says, words }) => [says, words])).toEqual(
      other.nameServers.map(() => [
        'silent',
        ['app.orders.example A', 'api.orders.example CNAME']
          .map((one) => `${one}: is not authoritative for the zone`)
          .join('; '),
      ]),
    );
  });
});

describe('the change API', () => {
  it.each(['throttle', 'drop', 'hang'] as const)(
    'faults 58: is told as unreachable, to be tried again, when its fate is to %s',
    async (fate) => {
      zone.gate.fate = () => fate;
      const dns = zone.over(zone.settings, 1000);
      expect((await failureOf(dns.readDns({}))).code).toBe('DNS_UNREACHABLE');
    },
  );

  it('is told as denied when the account is not known', async () => {
    process.env.HOLDFAST_TEST_ROUTE53_WRONG = 'nobody';
    const dns = zone.with({ accessKeyId: '${env:HOLDFAST_TEST_ROUTE53_WRONG}' });
    expect((await failureOf(dns.readDns({}))).code).toBe('ACCESS_DENIED');
  });

  it('faults 60: is told as unfit when there is no such zone', async () => {
    expect((await failureOf(zone.with({ zone: 'Z0' }).readDns({}))).code).toBe('DNS_UNFIT');
  });
});

describe('probeOldAddresses', () => {
  let listening: Server;

  beforeEach(async () => {
    listening = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => listening.listen(0, WEST, resolve));
  });

  afterEach(() => new Promise((done) => listening.close(done)));

  it('faults 59: tells an old address that refuses from one that still answers', async () => {
    const { port } = listening.address() as { port: number };
    const closed = await freePort();
    const sites = { west: { workDirectory: '/w', applications: [], dns: { addresses: { [`app.${ZONE}`]: [WEST] } } } };
    const dns = zone.with({ probePorts: [port, closed] }, sites);
    expect(await dns.probeOldAddresses({ site: 'west' })).toEqual({
      probes: [
        { address: WEST, port, outcome: 'answers', words: 'accepts connections' },
        { address: WEST, port: closed, outcome: 'refused', words: 'ECONNREFUSED' },
      ],
      findings: [
        {
          level: 'failed',
          subject: `old address ${WEST} port ${port}`,
          message: 'accepts connections: clients with the old address still reach it',
          code: 'DNS_UNPROVEN',
        },
        { level: 'ok', subject: `old address ${WEST} port ${closed}`, message: 'refuses connections', code: null },
      ],
    });
  });
});
