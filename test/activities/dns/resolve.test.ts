import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NameServers, resolveName } from '../../../activities/dns/resolve.ts';
import { type DnsFixture, EAST, plannedMove, startZone, WEST, ZONE } from './zone-fixture.ts';

let zone: DnsFixture;
let servers: NameServers;

beforeEach(async () => {
  zone = await startZone();
  servers = { zone: ZONE, authoritative: zone.gate.nameServers.map(({ address }) => address), resolvers: [] };
});

afterEach(() => zone.gate.close());

describe('resolveName', () => {
  it("asks the zone's own servers, follows aliases, and takes addresses as they are", async () => {
    expect(await resolveName(`app.${ZONE}`, servers)).toBe(WEST);
    expect(await resolveName(`API.${ZONE}.`, servers)).toBe(WEST);
    expect(await resolveName('192.0.2.7', servers)).toBe('192.0.2.7');
    await expect(resolveName(`none.${ZONE}`, servers)).rejects.toThrow(`'none.${ZONE}'`);
  });

  it('gives what the zone holds now, at the next question after a move', async () => {
    expect(await resolveName(`app.${ZONE}`, servers)).toBe(WEST);
    await zone.dns.moveDns(await plannedMove(zone.dns, 'east', 'failover/east'));
    await expect.poll(() => resolveName(`app.${ZONE}`, servers), { timeout: 30_000 }).toBe(EAST);
  });

  it('is held up by no silent server, and says so when all are', async () => {
    const [first = ''] = servers.authoritative;
    // Nobody listens on the discard port of loopback.
    expect(await resolveName(`app.${ZONE}`, { ...servers, authoritative: ['127.0.0.1:9', first] })).toBe(WEST);
    await expect(resolveName(`app.${ZONE}`, { ...servers, authoritative: ['127.0.0.1:9'] })).rejects.toThrow(
      `DNS gives no answer for 'app.${ZONE}'`,
    );
  });
});
