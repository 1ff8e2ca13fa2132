import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLedger } from '../../../activities/ledger/index.ts';
import type { FailoverRecord } from '../../../domain/failover-record.ts';
import { markerLine } from '../../../domain/markers.ts';
import { formatOutage, outageName } from '../../../domain/outage.ts';

const AT = '2026-11-24T03:00:00.000Z';
const LATER = '2026-11-24T04:00:00.000Z';
const RECORD: FailoverRecord = {
  ...{ format: 1, platform: 'orders', epoch: 1, from: 'west', to: 'east', run: 'failover/orders/1' },
  ...{ startedAt: AT, openedAt: LATER, outage: null, servedUntil: null, losses: {}, steps: [] },
  recoveryTime: {
    seconds: 3600,
    parts: { detection: null, people: 0, fence: 0, terraform: 0, restore: 3000, dns: 0, ours: 600 },
  },
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-ledger-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
const ledger = () => createLedger({ platform: 'orders', witnessDirectory: directory });
const place = async (...parts: string[]) => {
  const path = join(directory, 'ledger', ...parts);
  await mkdir(join(path, '..'), { recursive: true });
  return path;
};

describe('the ledger at the witness', () => {
  it('is empty before anything was told', async () => {
    expect(await ledger().newestFailover()).toBeNull();
    expect(await ledger().readMarkers({})).toEqual({});
    expect(await ledger().readOutage({ startedAt: AT, openedAt: LATER })).toBeNull();
  });

  it('keeps one record of each epoch, which a repetition leaves as it is and another run cannot write', async () => {
    await ledger().recordFailover({ record: RECORD });
    const path = await place('failover-000001.json');
    const text = await readFile(path, 'utf8');
    await ledger().recordFailover({ record: { ...RECORD, openedAt: AT } });
    expect(await readFile(path, 'utf8')).toBe(text);
    const other = ledger().recordFailover({ record: { ...RECORD, run: 'failover/orders/2' } });
    await expect(other).rejects.toMatchObject({ code: 'LEDGER_BROKEN' });
    await ledger().recordFailover({ record: { ...RECORD, epoch: 3 } });
    expect(await ledger().newestFailover()).toEqual({ ...RECORD, epoch: 3 });
  });

  it('tells nothing from a record that was edited', async () => {
    await ledger().recordFailover({ record: RECORD });
    const path = await place('failover-000001.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('600', '6'));
    await expect(ledger().newestFailover()).rejects.toMatchObject({ code: 'LEDGER_BROKEN' });
  });

  it('counts whole lines of the lists of markers, not one that is being written', async () => {
    const path = await place('markers', 'redis.acknowledged');
    await appendFile(path, `${markerLine(1, AT)}${markerLine(2, AT)}${AT} 3`);
    expect(await ledger().readMarkers({})).toEqual({ redis: 2 });
  });

  it('counts a marker that a failover has lost as acknowledged no longer', async () => {
    await appendFile(await place('markers', 'redis.acknowledged'), [1, 2, 3, 4].map((n) => markerLine(n, AT)).join(''));
    const lost = (markers: number) => ({
      redis: { seconds: 9, markers: { acknowledged: 4, restored: 4 - markers, lost: markers } },
    });
    await ledger().recordFailover({ record: { ...RECORD, losses: lost(2) } });
    await ledger().recordFailover({ record: { ...RECORD, epoch: 2, losses: lost(1) } });
    await ledger().recordFailover({
      record: { ...RECORD, epoch: 3, losses: { redis: { seconds: 9, markers: null } } },
    });
    expect(await ledger().readMarkers({})).toEqual({ redis: 1 });
  });

  it('finds the outage of its own platform', async () => {
    for (const [platform, at] of [
      ['orders', '2026-11-24T02:58:00.000Z'],
      ['other', '2026-11-24T02:57:00.000Z'],
    ] as const) {
      const record = { format: 1, platform, what: 'down', at, by: 'a probe' } as const;
      await writeFile(await place('outages', outageName(record)), formatOutage(record));
    }
    expect(await ledger().readOutage({ startedAt: AT, openedAt: LATER })).toMatchObject({
      since: '2026-11-24T02:58:00.000Z',
    });
  });
});
