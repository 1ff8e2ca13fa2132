// A site's agent at its work: read the epochs, decide, start or fence, say so.
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { keepKnownEpoch, readKnownEpoch, report } from '../activities/failover/agent-memory.ts';
import { readEpochView } from '../activities/failover/epoch-view.ts';
import { Lease } from '../activities/failover/lease.ts';
import { Reachable } from '../activities/failover/reachable.ts';
import { fenceServices, startServices } from '../activities/failover/site-services.ts';
import { decideAgent, type EpochView, hasRunOut, type Services, type Verdict } from '../domain/agent.ts';
import type { AgentReport } from '../domain/agent-report.ts';
import {
  type AgentConfiguration,
  type Configuration,
  durationMs,
  type SiteConfiguration,
} from '../domain/configuration/schema.ts';
import { requireNoneOpen } from '../domain/failover.ts';
import { Failure } from '../domain/failures.ts';

const log = pino({ name: 'dr agent' }, pino.destination({ dest: 2, sync: true }));

/** Looks until the process ends. @throws {Failure} USAGE for a site without an agent, EPOCH_BROKEN. */
export async function keepSite(configuration: Configuration, name: string): Promise<never> {
  const site = configuration.sites[name];
  if (site === undefined) throw new Failure('USAGE', `the configuration has no site '${name}'`);
  const { agent } = site;
  if (agent === undefined)
    throw new Failure('USAGE', `sites.${name} has no agent`, { mend: `say in sites.${name}.agent what it starts` });
  const watch = new SiteWatch({ configuration, name, site, agent }, await readKnownEpoch(site.workDirectory));
  log.info({ platform: configuration.platform, site: name, lease: agent.lease !== undefined }, 'watching');
  for (;;) {
    const next = wait(durationMs(agent.every));
    await watch.look();
    await next;
  }
}

interface Kept {
  readonly configuration: Configuration;
  readonly name: string;
  readonly site: SiteConfiguration;
  readonly agent: AgentConfiguration;
}

class SiteWatch {
  readonly #kept: Kept;
  readonly #folder: string;
  readonly #reach = new Reachable();
  readonly #lease: Lease | null;
  #known: number;
  #services: Services = 'untouched';
  #said = '';

  constructor(kept: Kept, known: number) {
    this.#kept = kept;
    this.#known = known;
    this.#folder = kept.agent.witnessDirectory ?? kept.configuration.witness.directory;
    this.#lease = kept.agent.lease === undefined ? null : new Lease(kept.agent.lease, kept.name);
  }

  async look(): Promise<void> {
    const before = this.#lease?.state ?? null;
    const [view, lost] = await Promise.all([this.#view(), this.#lease?.renew() ?? []]);
    const verdict = decideAgent({
      site: this.#kept.name,
      view: 'records' in view ? view.records : null,
      knownEpoch: this.#known,
      services: this.#services,
      // A process that stood still may find a store again after its lease had run out: that is no renewal.
      lease: before !== null && hasRunOut(before) ? before : (this.#lease?.state ?? null),
    });
    const trouble = [...('trouble' in view ? [view.trouble] : []), ...lost, ...(await this.#act(verdict))];
    this.#tellLog(verdict, trouble);
    if ('records' in view) await this.#tellWitness(view.records, verdict, trouble);
  }

  async #view(): Promise<{ readonly records: EpochView } | { readonly trouble: string }> {
    const { platform, activeSite } = this.#kept.configuration;
    try {
      const read = () => readEpochView({ platform, activeSite, witnessDirectory: this.#folder });
      const records = await this.#reach.ask(read);
      await this.#remember(records.epochs.length);
      return { records };
    } catch (error) {
      return { trouble: (error as Error).message };
    }
  }

  async #remember(number: number): Promise<void> {
    if (number <= this.#known) return;
    await keepKnownEpoch(this.#kept.site.workDirectory, number);
    this.#known = number;
  }

  /** @returns what did not go well: it is tried again at the next look. */
  async #act({ act }: Verdict): Promise<readonly string[]> {
    const { name, site } = this.#kept;
    if (act === 'keep' || act === 'wait') return [];
    this.#services = 'doubtful';
    try {
      if (act === 'start') await startServices(name, site);
      else requireNoneOpen(name, await fenceServices(name, site));
      this.#services = act === 'start' ? 'started' : 'fenced';
      return [];
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return [error.message];
    }
  }

  #tellLog({ act, why }: Verdict, trouble: readonly string[]): void {
    // How long a lease still lasts changes with every look.
    const said = JSON.stringify([act, this.#services, why.replace(/\d+ (s|min).*$/, ''), trouble]);
    if (said === this.#said) return;
    this.#said = said;
    log[trouble.length === 0 ? 'info' : 'warn']({ act, services: this.#services, trouble }, why);
  }

  async #tellWitness({ epochs }: EpochView, { act, why }: Verdict, trouble: readonly string[]): Promise<void> {
    const { configuration, name } = this.#kept;
    const told: AgentReport = {
      format: 1,
      ...{ platform: configuration.platform, site: name, at: new Date().toISOString() },
      ...{ epoch: epochs.length, services: this.#services, act, why },
      trouble: trouble.length === 0 ? null : trouble.join('; '),
    };
    await this.#reach.ask(() => report(this.#folder, told)).catch((error: Error) => log.warn(error.message));
  }
}
