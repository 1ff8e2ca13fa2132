import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EpochStore } from '../../../activities/failover/epoch-store.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-epoch-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const store = () =>
  new EpochStore({ platform: 'orders', activeSite: 'west', witnessDirectory: directory, now: () => new Date() });
const wish = (run: string, after = 0) => ({
  ...{ after, run, from: 'west', to: 'east', intent: 'failover' as const, person: `${run}@ops` },
});

describe('the epochs at the witness', () => {
  it('begin with the active site of the configuration', async () => {
    expect(await store().read()).toEqual({ number: 0, site: 'west', record: null });
  });

  it('faults 48: fifty starts at once give one winner, and the others are told who, when and what', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => store().take(wish(`run-${n}`))));
    const won = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(won).toHaveLength(1);
    const [winner] = won;
    expect(await store().read()).toEqual({ number: 1, site: 'east', record: winner });
    for (const one of tries) {
      if (one.status === 'fulfilled') continue;
      expect(one.reason).toMatchObject({ code: 'EPOCH_TAKEN', details: { run: winner?.run, at: winner?.at } });
      expect(one.reason.message).toContain(`was taken by ${winner?.person} at ${winner?.at} for the failover`);
    }
    expect((await readdir(join(directory, 'epochs/new'))).length).toBe(0);
  });

  it('are taken once by the same run, however often it asks', async () => {
    const first = await store().take(wish('run-1'));
    expect(await store().take(wish('run-1'))).toEqual(first);
    expect((await store().read()).number).toBe(1);
  });

  it('are given back by the next number, which names the old site', async () => {
    await store().take(wish('run-1'));
    const undo = { ...wish('run-1', 1), from: 'east', to: 'west', intent: 'undo' as const };
    for (const _ of [1, 2]) await store().take(undo);
    expect(await store().read()).toMatchObject({ number: 2, site: 'west' });
  });

  it('order a fence once, of the site that the epoch leaves, and do not count it as an epoch', async () => {
    await store().take(wish('run-1'));
    const first = await store().orderFence({ site: 'west', epoch: 1 });
    expect(await store().orderFence({ site: 'west', epoch: 1 })).toEqual(first);
    expect(await store().fencedEpochs()).toEqual([1]);
    expect((await store().read()).number).toBe(1);
    await expect(store().orderFence({ site: 'east', epoch: 1 })).rejects.toMatchObject({ code: 'EPOCH_BROKEN' });
    await expect(store().orderFence({ site: 'west', epoch: 2 })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('are not there until a witness made their folder, and that is told apart from having none', async () => {
    await expect(store().fencedEpochs()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    for (const _ of [1, 2]) await store().establish();
    expect(await store().fencedEpochs()).toEqual([]);
  });

  it('are private, and refuse to be read when one is missing or damaged', async () => {
    await store().take(wish('run-1'));
    await store().take({ ...wish('run-2', 1), from: 'east', to: 'west' });
    const file = (number: number) => join(directory, `epochs/epoch-00000${number}.json`);
    expect((await stat(file(1))).mode & 0o777).toBe(0o600);
    await writeFile(file(2), '{}');
    await expect(store().read()).rejects.toMatchObject({ code: 'EPOCH_BROKEN' });
    await rm(file(1));
    await expect(store().read()).rejects.toMatchObject({ code: 'EPOCH_BROKEN' });
    await expect(store().take(wish('run-3', 4))).rejects.toMatchObject({ code: 'EPOCH_BROKEN' });
  });
});
