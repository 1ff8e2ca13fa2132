// The second switch on the data plane: pairs of failover records whose health checks watch an object of ours, here a real
// HTTP server with a file for each site, which the configured commands remove and put back.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DnsActivities } from '../../../domain/contracts/dns.ts';
import { type DnsFixture, EAST, failureOf, plannedMove, startZone, WEST, ZONE } from './zone-fixture.ts';

const NAME = `app.${ZONE}`;
const pair = (role: 'PRIMARY' | 'SECONDARY', site: string, address: string) =>
  ({
    ...{ name: `${NAME}.`, type: 'A', ttl: 1, values: [address], setIdentifier: `app-${role.toLowerCase()}` },
    ...{ failover: role, healthCheckId: `check-${site}` },
  }) as const;

let directory: string;
let objects: Server;
let zone: DnsFixture;
let dns: DnsActivities;

const siteOf = (name: string, address: string) => {
  const object = join(directory, name);
  const healthCheck = { id: `check-${name}`, withdraw: ['rm', '-f', object], offer: ['touch', object] };
  return { workDirectory: '/w', applications: [], dns: { addresses: { [NAME]: [address] }, healthCheck } };
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-switch-'));
  for (const site of ['west', 'east']) await writeFile(join(directory, site), '');
  objects = createServer(({ url }, response) => {
    response.writeHead(existsSync(join(directory, url ?? '')) ? 200 : 404).end();
  });
  await new Promise<void>((resolve) => objects.listen(0, '127.0.0.1', resolve));
  const { port } = objects.address() as { port: number };
  zone = await startZone([pair('PRIMARY', 'west', WEST), pair('SECONDARY', 'east', EAST)]);
  for (const site of ['west', 'east']) zone.gate.healthChecks.set(`check-${site}`, `http://127.0.0.1:${port}/${site}`);
  dns = zone.with(
    { records: [{ name: NAME, type: 'A', ttl: '1s' }], propagationLimit: '20s' },
    { west: siteOf('west', WEST), east: siteOf('east', EAST) },
  );
});

afterEach(async () => {
  await zone.gate.close();
  await new Promise((done) => objects.close(done));
  await rm(directory, { recursive: true });
});

const says = async (site: string) => (await dns.askDns({ to: site })).map((one) => one.says);
const switchFindings = async () =>
  (await dns.readDns({})).findings.filter(({ subject }) => subject.startsWith('second switch'));

describe('the second switch', () => {
  it('is told as there, with the health check of each site', async () => {
    expect(await switchFindings()).toEqual([
      { level: 'ok', subject: "second switch of 'west'", message: "health check 'check-west' passes", code: null },
      { level: 'ok', subject: "second switch of 'east'", message: "health check 'check-east' passes", code: null },
    ]);
    expect(await dns.readDns({})).toMatchObject({ whoServes: 'west' });
  });

  it('faults 58: moves traffic while the change API is away, and a move agrees with it afterwards', async () => {
    zone.gate.fate = () => 'drop';
    expect((await failureOf(dns.moveDns({ expected: null, epoch: 1, to: 'east', run: 'failover/a' }))).code).toBe(
      'DNS_UNREACHABLE',
    );
    const { servers } = await dns.withdrawSite({ site: 'west', to: 'east' });
    expect(servers.map((one) => one.says)).toEqual(['new', 'new']);
    zone.gate.fate = () => 'answer';
    expect(await dns.readDns({})).toMatchObject({ epoch: null, whoServes: 'east' });
    const { changeId } = await dns.moveDns(await plannedMove(dns, 'east', 'failover/a'));
    await dns.awaitDns({ changeId, to: 'east' });
    await dns.offerSite({ site: 'west' });
    await expect.poll(switchFindings, { timeout: 20_000 }).toMatchObject([{ level: 'ok' }, { level: 'ok' }]);
    expect(await says('east')).toEqual(['new', 'new']);
    expect(await dns.readDns({})).toMatchObject({ epoch: { number: 1, site: 'east' }, whoServes: 'east' });
  });

  it('moves addresses and health checks between the two records, which keep their parts', async () => {
    await dns.moveDns(await plannedMove(dns, 'east', 'failover/a'));
    expect(zone.gate.records().filter(({ type }) => type === 'A')).toEqual([
      { ...pair('PRIMARY', 'east', EAST) },
      { ...pair('SECONDARY', 'west', WEST) },
    ]);
  });

  it('faults 60: a plain record where the sites have health checks is refused', async () => {
    const plain = await startZone();
    const over = plain.with({}, { west: siteOf('west', WEST), east: siteOf('east', EAST) });
    const failure = await failureOf(over.moveDns({ expected: null, epoch: 1, to: 'east', run: 'failover/a' })).finally(
      () => plain.gate.close(),
    );
    expect(failure.code).toBe('DNS_UNFIT');
    expect(failure.message).toContain('it is a plain record, and the sites have a dns.healthCheck: make the pair');
    expect(plain.gate.count.made).toBe(0);
  });
});
