// The epochs at the witness: one file a number, created only if absent, never changed and never deleted.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Configuration } from '../../domain/configuration/schema.ts';
import type { TakeEpochInput } from '../../domain/contracts/failover.ts';
import {
  type Epoch,
  type EpochRecord,
  epochName,
  epochNumberOf,
  type FenceRecord,
  fenceName,
  fenceNumberOf,
  formatEpoch,
  formatFence,
  formerSites,
  lostTo,
  parseEpoch,
  parseFence,
  requireUnbroken,
} from '../../domain/epoch.ts';
import { Failure } from '../../domain/failures.ts';
import { asDiskFailure, makePrivateFolder, publishRecord, recordNames, unless } from '../shared/durable-files.ts';

export interface EpochStoreOptions {
  readonly platform: string;
  readonly activeSite: string;
  readonly witnessDirectory: string;
  readonly now: () => Date;
}

/** The epochs of a configured platform. */
export const epochsOf = (
  { platform, activeSite, witness }: Pick<Configuration, 'platform' | 'activeSite' | 'witness'>,
  now = () => new Date(),
): EpochStore => new EpochStore({ platform, activeSite, witnessDirectory: witness.directory, now });

export class EpochStore {
  readonly #options: EpochStoreOptions;
  readonly #folder: string;

  constructor(options: EpochStoreOptions) {
    this.#options = options;
    this.#folder = join(options.witnessDirectory, 'epochs');
  }

  /**
   * Does: reads the newest record.
   * Repeat: reads again. Undo: none needed, nothing is written.
   */
  async read(): Promise<Epoch> {
    const number = requireUnbroken(await this.#numbers());
    if (number === 0) return { number, site: this.#options.activeSite, record: null };
    const record = await this.#record(number);
    return { number, site: record.to, record };
  }

  /**
   * Does: reads every record.
   * Repeat: reads again. Undo: none needed, nothing is written.
   */
  async records(): Promise<readonly EpochRecord[]> {
    const last = requireUnbroken(await this.#numbers());
    const records: EpochRecord[] = [];
    for (let number = 1; number <= last; number += 1) records.push(await this.#record(number));
    return records;
  }

  /** Sites that gave up being the active one. Like `records`. */
  async formerSites(): Promise<readonly string[]> {
    return formerSites(await this.records());
  }

  /**
   * Does: makes the folder of the epochs, so that an agent can tell "no epoch yet" from "no witness here".
   * Repeat: finds it. Undo: none needed, it is empty.
   */
  async establish(): Promise<void> {
    await makePrivateFolder(this.#folder).catch((error) => {
      throw asDiskFailure(error, this.#folder);
    });
  }

  /** Epochs whose fence was ordered. @throws {Failure} STORE_UNREACHABLE where no witness made its folder. */
  async fencedEpochs(): Promise<readonly number[]> {
    const names = await unless(['ENOENT'], () => readdir(this.#folder));
    if (names === undefined)
      throw new Failure(
        'STORE_UNREACHABLE',
        `'${this.#folder}' is not there: nothing is mounted, or no 'dr witness' ran yet`,
      );
    return names.flatMap((name) => fenceNumberOf(name) ?? []);
  }

  /**
   * Does: creates the record of the number after `after`; whoever is second is told who was first.
   * Repeat: finds the record of the same run and intent and returns it.
   * Undo: another record, the next number, that names the old site.
   */
  async take({ after, ...wish }: TakeEpochInput): Promise<EpochRecord> {
    const number = after + 1;
    if (number > requireUnbroken(await this.#numbers()) + 1)
      throw new Failure('EPOCH_BROKEN', `epoch ${after} was never taken, so ${number} cannot follow it`);
    const { platform, now } = this.#options;
    const record: EpochRecord = { format: 1, platform, number, ...wish, at: now().toISOString() };
    if (await publishRecord(this.#folder, epochName(number), formatEpoch(record))) return record;
    const holder = await this.#record(number);
    if (holder.run === wish.run && holder.intent === wish.intent) return holder;
    throw lostTo(holder);
  }

  /**
   * Does: creates the record that the site which an epoch leaves is to be cut off: its agent acts on it.
   * Repeat: finds it and returns it.
   * Undo: the next epoch, which gives the site back.
   * @throws {Failure} EPOCH_BROKEN when that epoch does not leave this site.
   */
  async orderFence({ site, epoch }: { readonly site: string; readonly epoch: number }): Promise<FenceRecord> {
    const taken = await this.#record(epoch);
    if (taken.from !== site)
      throw new Failure('EPOCH_BROKEN', `epoch ${epoch} takes over from '${taken.from}', not from '${site}'`);
    const { platform, now } = this.#options;
    const record: FenceRecord = { format: 1, platform, number: epoch, site, at: now().toISOString() };
    if (await publishRecord(this.#folder, fenceName(epoch), formatFence(record))) return record;
    return parseFence(await readFile(join(this.#folder, fenceName(epoch)), 'utf8'), taken);
  }

  async #numbers(): Promise<readonly number[]> {
    return (await recordNames(this.#folder)).flatMap((name) => epochNumberOf(name) ?? []);
  }

  async #record(number: number): Promise<EpochRecord> {
    const path = join(this.#folder, epochName(number));
    return parseEpoch(await readFile(path, 'utf8'), number, this.#options.platform);
  }
}
