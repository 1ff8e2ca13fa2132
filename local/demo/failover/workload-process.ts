// The live workload: one writer a store, each with a marker after the other through the public name. What a store has
// acknowledged is written down outside of the sites; a marker without an answer is sent again until it has one.
import { openSync, writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { markerLine } from '../../../domain/markers.ts';
import { type MarkerStore, markerStores } from '../../marker-stores.ts';
import type { SiteAccess } from '../../site.ts';
import { askedToEnd, given, tellReady } from './child.ts';
import { type PublicName, resolverOf } from './public-name.ts';

type System = MarkerStore['system'];

export interface WorkloadInput {
  readonly publicName: PublicName;
  /** How the stores are entered; the host is what the name gives. */
  readonly access: SiteAccess;
  /** The lists of acknowledged markers, by store. */
  readonly lists: Readonly<Record<System, string>>;
  /** The number of each store's first marker. */
  readonly first: Readonly<Record<System, number>>;
  readonly everyMs: number;
}

const PAUSE_MS = 100;

if (import.meta.main) {
  const input = await given<WorkloadInput>();
  const hasEnded = { now: false };
  const writers = (Object.keys(input.lists) as System[]).map((system) => write(system, input, hasEnded));
  tellReady();
  await askedToEnd();
  hasEnded.now = true;
  await Promise.race([Promise.all(writers), wait(2000)]);
  process.exit();
}

async function write(system: System, input: WorkloadInput, hasEnded: { readonly now: boolean }): Promise<void> {
  const list = openSync(input.lists[system], 'a', 0o600);
  const addressNow = resolverOf(input.publicName);
  let open: { readonly address: string; readonly store: MarkerStore } | null = null;
  const leave = async () => {
    const left = open;
    open = null;
    await left?.store.close().catch(() => undefined); // It may be gone already.
  };
  const storeNow = async (): Promise<MarkerStore> => {
    const address = await addressNow();
    if (open?.address !== address) await leave();
    open ??= { address, store: storeAt(address, system, input.access) };
    return open.store;
  };
  for (let marker = input.first[system]; !hasEnded.now; await wait(input.everyMs)) {
    try {
      await (await storeNow()).write(marker);
    } catch {
      // West is down, or the name still gives it: the same marker is sent again, wherever the name points then.
      await leave();
      await wait(PAUSE_MS);
      continue;
    }
    writeSync(list, markerLine(marker, new Date().toISOString()));
    marker += 1;
  }
  await leave();
}

function storeAt(host: string, system: System, { postgres, redis, rabbitmq }: SiteAccess): MarkerStore {
  const access = { postgres: { ...postgres, host }, redis: { ...redis, host }, rabbitmq: { ...rabbitmq, host } };
  return markerStores(access).find((store) => store.system === system) as MarkerStore;
}
