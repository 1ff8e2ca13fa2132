// Who is told of an outage: everybody once, and whoever could not be reached as soon as he can be.
import type { pino } from 'pino';
import type { OutageLedger } from '../activities/ledger/outages.ts';
import type { Notice } from '../domain/contracts/repository.ts';
import type { Epoch } from '../domain/epoch.ts';
import { Failure } from '../domain/failures.ts';
import type { Outage } from '../domain/outage.ts';
import {
  alarmNotice,
  channelNotice,
  dueOf,
  endNotice,
  type OutageFacts,
  type PreparedPlan,
  planNotice,
  type Telling,
  type ToldRecord,
} from '../domain/outage-notices.ts';

export interface DeskParts {
  readonly platform: string;
  readonly sites: readonly string[];
  readonly ledger: OutageLedger;
  readonly readEpoch: () => Promise<Epoch>;
  readonly notify: (notice: Notice) => Promise<void>;
  /** The dry run of a failover to a site. */
  readonly preparePlan: (site: string) => Promise<PreparedPlan>;
  readonly log: pino.Logger;
}

/** What was told of one outage. */
export interface Known {
  readonly since: string;
  readonly told: ReadonlySet<Telling>;
}

const AGAIN_AFTER_MS = 10_000;

export class Desk {
  readonly #parts: DeskParts;
  #since: string | null;
  #told: Set<Telling>;
  #isBusy = false;
  /** Notices that some channel did not take, by their kinds. */
  readonly #missed = new Map<string, Notice>();
  #triedAt = 0;
  /** What was told and is not written down yet. */
  #unrecorded: Pick<ToldRecord, 'since' | 'what' | 'at'>[] = [];

  /** @param known what an earlier witness told. */
  constructor(parts: DeskParts, known: Known | null) {
    this.#parts = parts;
    this.#since = known?.since ?? null;
    this.#told = new Set(known?.told);
  }

  /**
   * Tells what is due of an outage; while it is telling, a further call returns at once.
   * @throws {Failure} NO_SPACE, ACCESS_DENIED, STORE_UNREACHABLE when what was told cannot be written down.
   */
  async attend(outage: Outage, failing: readonly string[]): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      if (outage.since !== this.#since) this.#begin(outage.since);
      await this.#tellWhatIsDue(outage, failing);
      await this.#tellTheMissed();
      await this.#record();
    } finally {
      this.#isBusy = false;
    }
  }

  #begin(since: string): void {
    this.#since = since;
    this.#told = new Set();
    this.#missed.clear();
  }

  async #tellWhatIsDue(outage: Outage, failing: readonly string[]): Promise<void> {
    for (let what = dueOf(outage, this.#told); what !== null; what = dueOf(outage, this.#told)) {
      const facts = await this.#factsOf(outage);
      if (!(await this.#deliver(facts, await this.#compose(what, facts, failing)))) return; // Again at the next look.
      this.#told.add(what);
      this.#unrecorded.push({ since: outage.since, what, at: new Date().toISOString() });
      await this.#record();
    }
  }

  async #record(): Promise<void> {
    for (const record of this.#unrecorded) {
      await this.#parts.ledger.recordTold(record);
      this.#unrecorded = this.#unrecorded.filter((one) => one !== record);
    }
  }

  async #factsOf(outage: Outage): Promise<OutageFacts & { readonly trouble: string | null }> {
    const { platform, sites, readEpoch } = this.#parts;
    try {
      const { site: active } = await readEpoch();
      return { platform, outage, standbys: sites.filter((site) => site !== active), trouble: null };
    } catch (error) {
      const trouble = `which site is the active one is unknown: ${(error as Error).message}`;
      return { platform, outage, standbys: sites, trouble };
    }
  }

  #compose(
    what: Telling,
    facts: OutageFacts & { readonly trouble: string | null },
    failing: readonly string[],
  ): Notice | Promise<Notice> {
    if (what === 'alarm') return alarmNotice(facts, failing);
    if (what === 'end') return endNotice(facts);
    return this.#plan(facts).then((plan) => planNotice(facts, plan));
  }

  async #plan({ standbys, trouble }: OutageFacts & { readonly trouble: string | null }): Promise<PreparedPlan> {
    const [site, ...others] = standbys;
    if (trouble !== null) return { missing: trouble };
    if (site === undefined) return { missing: 'no other site is configured' };
    if (others.length > 0) return { missing: `several sites could take over: ${standbys.join(', ')}` };
    return this.#parts.preparePlan(site);
  }

  /** @returns whether anybody heard it. */
  async #deliver(facts: OutageFacts, notice: Notice): Promise<boolean> {
    const failure = await this.#send(notice);
    if (failure === null) return true;
    this.#missed.set(notice.type, notice);
    this.#triedAt = Date.now();
    const isHeard = Number(failure.details.took) > 0;
    // The others hear that somebody does not.
    if (isHeard) await this.#send(channelNotice(facts, failure.message));
    return isHeard;
  }

  // Every channel that took a notice is left out when it is sent again.
  async #tellTheMissed(): Promise<void> {
    if (Date.now() - this.#triedAt < AGAIN_AFTER_MS) return;
    this.#triedAt = Date.now();
    for (const [type, notice] of this.#missed) if ((await this.#send(notice)) === null) this.#missed.delete(type);
  }

  async #send(notice: Notice): Promise<Failure | null> {
    const { notify, log } = this.#parts;
    try {
      await notify(notice);
      log.info({ type: notice.type, run: notice.run }, notice.message);
      return null;
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'NOTIFICATION_FAILED')) throw error;
      log.error({ type: notice.type, run: notice.run }, error.message);
      return error;
    }
  }
}
