// The witness at its work: look, write down what changed, let people be told, give a sign of life.
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { epochsOf } from '../activities/failover/epoch-store.ts';
import { OutageLedger } from '../activities/ledger/outages.ts';
import { createNotification } from '../activities/notification/index.ts';
import type { ProbeResult } from '../activities/probes/index.ts';
import { type Configuration, durationMs } from '../domain/configuration/schema.ts';
import { Failure } from '../domain/failures.ts';
import type { Outage, OutageRecord } from '../domain/outage.ts';
import { type Watch, watchFrom, watchOn } from '../domain/outage-watch.ts';
import { planByParent } from './prepared-plans.ts';
import { SignOfLife } from './sign-of-life.ts';
import { Desk } from './witness-desk.ts';
import { lookAround, probedBy, watchRules } from './witness-looks.ts';

const log = pino({ name: 'dr witness' }, pino.destination({ dest: 2, sync: true }));

/** Looks until the process ends. @throws {Failure} USAGE without probes, LEDGER_BROKEN. */
export async function watchOver(configuration: Configuration): Promise<never> {
  const { platform, witness } = configuration;
  if (witness.probes.length === 0) throw new Failure('USAGE', 'witness.probes names nothing to look at');
  await epochsOf(configuration).establish();
  const ledger = new OutageLedger(platform, witness.directory);
  const newest = await ledger.newest();
  // One that was over before anybody was told of it is nobody's news.
  const known = newest !== null && (newest.outage.until === null || newest.told.has('alarm')) ? newest : null;
  const told = known === null ? null : { since: known.outage.since, told: known.told };
  const round = new Round(configuration, ledger, new Desk(deskParts(configuration, ledger), told));
  log.info({ platform, probes: witness.probes.length, outage: known?.outage ?? null }, 'watching');
  round.goOnWith(known?.outage ?? null);
  for (;;) {
    const next = wait(durationMs(witness.every));
    await round.look();
    await next;
  }
}

function deskParts(configuration: Configuration, ledger: OutageLedger) {
  const { platform, sites, notifications } = configuration;
  return {
    ...{ platform, ledger, log, preparePlan: planByParent },
    sites: Object.keys(sites),
    readEpoch: () => epochsOf(configuration).read(),
    notify: createNotification({ platform, channels: notifications }).notify,
  };
}

class Round {
  readonly #configuration: Configuration;
  readonly #ledger: OutageLedger;
  readonly #desk: Desk;
  readonly #life: SignOfLife;
  #watch: Watch = watchFrom(null);
  #outage: Outage | null = null;
  /** Changes that the ledger has not taken yet. */
  #unwritten: readonly Pick<OutageRecord, 'what' | 'at' | 'by'>[] = [];
  #failing = '';

  constructor(configuration: Configuration, ledger: OutageLedger, desk: Desk) {
    this.#configuration = configuration;
    this.#ledger = ledger;
    this.#desk = desk;
    this.#life = new SignOfLife(configuration.witness.alive, log);
  }

  goOnWith(outage: Outage | null): void {
    this.#outage = outage;
    this.#watch = watchFrom(outage !== null && outage.until === null ? outage.since : null);
  }

  async look(): Promise<void> {
    const at = new Date().toISOString();
    const results = await lookAround(this.#configuration);
    const failing = results.filter(({ isWell }) => !isWell).map(({ probe, words }) => `${probe}: ${words}`);
    this.#tellLog(failing, results);
    const { watch, change } = watchOn(
      this.#watch,
      { at, isWell: failing.length === 0 },
      watchRules(this.#configuration.witness),
    );
    this.#watch = watch;
    if (change !== null) this.#note({ ...change, by: probedBy(this.#configuration) });
    // People come first: a disk that is full keeps nobody from hearing.
    if (this.#outage !== null) this.#attend(this.#outage, failing);
    if (await this.#isWrittenDown()) this.#giveSign(at);
  }

  #note(change: Pick<OutageRecord, 'what' | 'at' | 'by'>): void {
    this.#unwritten = [...this.#unwritten, change];
    if (change.what === 'down') this.#outage = { since: change.at, by: change.by, until: null };
    else if (this.#outage !== null) this.#outage = { ...this.#outage, until: change.at };
    log.warn(change, change.what === 'down' ? 'an outage began' : 'the outage has ended');
  }

  // Telling takes as long as a channel or a plan does; looking goes on meanwhile.
  #attend(outage: Outage, failing: readonly string[]): void {
    this.#desk.attend(outage, failing).catch((error: Error) => log.error({ error: error.message }, 'telling failed'));
  }

  async #isWrittenDown(): Promise<boolean> {
    try {
      for (const change of this.#unwritten) {
        await this.#ledger.recordChange(change);
        this.#unwritten = this.#unwritten.filter((one) => one !== change);
      }
      return true;
    } catch (error) {
      log.error({ error: (error as Error).message }, 'the ledger takes no record; tried again at the next look');
      return false;
    }
  }

  #giveSign(at: string): void {
    const { platform } = this.#configuration;
    this.#life.give({ platform, at }).catch((error: Error) => log.error({ error: error.message }, 'no sign of life'));
  }

  #tellLog(failing: readonly string[], results: readonly ProbeResult[]): void {
    const now = failing.join('; ');
    if (now === this.#failing) return;
    this.#failing = now;
    log.warn({ failing, of: results.length }, failing.length === 0 ? 'everything answers' : 'not everything answers');
  }
}
