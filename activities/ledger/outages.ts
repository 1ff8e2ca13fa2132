// What `dr witness` writes down of outages and of what it told about them: records that are created once.
import { join } from 'node:path';
import {
  formatOutage,
  isOutageName,
  newestOutage,
  type Outage,
  type OutageRecord,
  outageName,
  parseOutage,
} from '../../domain/outage.ts';
import {
  formatTold,
  isToldName,
  parseTold,
  type Telling,
  type ToldRecord,
  toldName,
} from '../../domain/outage-notices.ts';
import { publishRecord, readRecord, recordNames } from '../shared/durable-files.ts';

export class OutageLedger {
  readonly #platform: string;
  readonly #outages: string;
  readonly #alarms: string;

  constructor(platform: string, witnessDirectory: string) {
    this.#platform = platform;
    this.#outages = join(witnessDirectory, 'ledger', 'outages');
    this.#alarms = join(witnessDirectory, 'ledger', 'alarms');
  }

  /**
   * Does: reads what outside probes wrote of this platform.
   * Repeat: reads again. Undo: none needed, nothing is changed.
   */
  async records(): Promise<readonly OutageRecord[]> {
    const records = await readAll(this.#outages, isOutageName, parseOutage);
    return records.filter(({ platform }) => platform === this.#platform);
  }

  /** The newest outage and what was told of it; null before the first. Like `records`. */
  async newest(): Promise<{ readonly outage: Outage; readonly told: ReadonlySet<Telling> } | null> {
    const outage = newestOutage(await this.records());
    if (outage === null) return null;
    const told = await readAll(this.#alarms, isToldName, parseTold);
    const ofIt = told.filter(({ platform, since }) => platform === this.#platform && since === outage.since);
    return { outage, told: new Set(ofIt.map(({ what }) => what)) };
  }

  /**
   * Does: creates the record of a change.
   * Repeat: finds it and leaves it. Undo: none: what was seen stays written down.
   */
  async recordChange({ what, at, by }: Pick<OutageRecord, 'what' | 'at' | 'by'>): Promise<void> {
    const record: OutageRecord = { format: 1, platform: this.#platform, what, at, by };
    await publishRecord(this.#outages, outageName(record), formatOutage(record));
  }

  /**
   * Does: creates the record of what was told.
   * Repeat: finds it and leaves it. Undo: none: what was told was told.
   */
  async recordTold({ since, what, at }: Pick<ToldRecord, 'since' | 'what' | 'at'>): Promise<void> {
    const record: ToldRecord = { format: 1, platform: this.#platform, since, what, at };
    await publishRecord(this.#alarms, toldName(record), formatTold(record));
  }
}

async function readAll<T>(
  folder: string,
  isOne: (name: string) => boolean,
  parse: (text: string, name: string) => T,
): Promise<readonly T[]> {
  const names = (await recordNames(folder)).filter(isOne);
  return Promise.all(names.map(async (name) => parse(await readRecord(join(folder, name)), name)));
}
