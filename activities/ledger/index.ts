// The activities `ledger.<verb>`, all at the witness: files that are written once, and lists that a workload keeps.
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { LedgerActivities } from '../../domain/contracts/ledger.ts';
import {
  type FailoverRecord,
  failoverRecordName,
  formatFailoverRecord,
  isFailoverRecordName,
  parseFailoverRecord,
} from '../../domain/failover-record.ts';
import { Failure } from '../../domain/failures.ts';
import { type AcknowledgedMarkers, MARKERS, type MarkedSystem, markerListName } from '../../domain/markers.ts';
import { outageAt } from '../../domain/outage.ts';
import { publishRecord, readRecord, recordNames, unless } from '../shared/durable-files.ts';
import { OutageLedger } from './outages.ts';

export interface LedgerOptions {
  readonly platform: string;
  readonly witnessDirectory: string;
}

export interface Ledger extends LedgerActivities {
  /** The newest failover's record; null before the first. @throws {Failure} LEDGER_BROKEN. */
  newestFailover(): Promise<FailoverRecord | null>;
}

export function createLedger({ platform, witnessDirectory }: LedgerOptions): Ledger {
  const folder = join(witnessDirectory, 'ledger');
  const below = (name: string) => join(folder, name);
  const failoverNames = async () => (await recordNames(folder)).filter(isFailoverRecordName).sort();
  const failoverOf = async (name: string) => parseFailoverRecord(await readRecord(below(name)), name, platform);
  const outages = new OutageLedger(platform, witnessDirectory);
  return {
    /**
     * Does: reads what outside probes wrote of this platform.
     * Repeat: reads again. Undo: none needed, nothing is changed.
     */
    readOutage: async ({ startedAt, openedAt }) => outageAt(await outages.records(), startedAt, openedAt),
    /**
     * Does: counts the lines of the lists that a workload keeps of its acknowledged markers, less those that the records of
     * former failovers tell as lost: what was lost once is not lost again.
     * Repeat: counts again. Undo: none needed, nothing is changed.
     */
    readMarkers: async () => {
      const systems = Object.keys(MARKERS) as MarkedSystem[];
      const counts = await Promise.all(
        systems.map((system) => countLines(join(below('markers'), markerListName(system)))),
      );
      const former = await Promise.all((await failoverNames()).map(failoverOf));
      const lostBefore = (system: MarkedSystem) =>
        former.reduce((sum, { losses }) => sum + (losses[system]?.markers?.lost ?? 0), 0);
      const known = systems.flatMap((system, index) => {
        const count = counts[index] ?? null;
        return count === null ? [] : [[system, count - lostBefore(system)] as const];
      });
      return Object.fromEntries(known) as AcknowledgedMarkers;
    },
    /**
     * Does: creates the record of an epoch, only if it is absent.
     * Repeat: finds the record of the same run and leaves it as it is. Undo: none: what was measured stays written down.
     */
    recordFailover: async ({ record }) => {
      const name = failoverRecordName(record.epoch);
      if (await publishRecord(folder, name, formatFailoverRecord(record))) return;
      const { run } = await failoverOf(name);
      if (run !== record.run) throw new Failure('LEDGER_BROKEN', `'${name}' was written by another run: ${run}`);
    },
    newestFailover: async () => {
      const name = (await failoverNames()).at(-1);
      return name === undefined ? null : failoverOf(name);
    },
  };
}

/** Whole lines of a file that somebody may be writing; null when there is none. */
async function countLines(path: string): Promise<number | null> {
  return (
    (await unless(['ENOENT'], async () => {
      let count = 0;
      for await (const chunk of createReadStream(path)) for (const byte of chunk as Buffer) if (byte === 10) count += 1;
      return count;
    })) ?? null
  );
}
