// The final backups of a site that hands over, and the proof that nothing was written after them. A store that stands
// elsewhere than before its backup is backed up again, for its own housekeeping moves it too; twice at most, then somebody
// is still writing.
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import {
  finalSet,
  lossLines,
  movedSince,
  type PlannedFailoverPlan,
  type Positions,
  requireStill,
} from '../../domain/planned-failover.ts';
import type { RecoverySet } from '../../domain/recovery.ts';
import type { SystemName } from '../../domain/systems.ts';
import type { HandOverInput } from '../messages.ts';
import { system } from './activities.ts';
import { decided } from './decisions.ts';
import { type Identities, planRestores, type RecoveryRun } from './recovery-work.ts';
import { backUpSite } from './takeover.ts';

export interface Handover extends RecoveryRun {
  readonly wish: HandOverInput;
}

/** What is restored, and what proves that it is everything. */
export interface CaughtUp {
  readonly set: RecoverySet;
  readonly loss: readonly string[];
  readonly findings: readonly Finding[];
}

const MOST_RETAKES = 2;

/** Takes the final backups, plans every restore from them, and proves that nothing was written since. */
export async function catchUp(run: Handover, plan: PlannedFailoverPlan, identities: Identities): Promise<CaughtUp> {
  const { story, members } = run;
  const { from } = plan;
  story.enter('catching up');
  const work = new FinalBackups(run, plan, identities);
  const safeToLeave = `'${from}' serves nobody until this goes on or is aborted; nothing was fenced`;
  await story.require({ id: 'stand', title: `Note where every store of '${from}' stands`, safeToLeave }, () =>
    work.note(),
  );
  const final = { id: 'final', title: `Take the final backup of every system of '${from}'`, safeToLeave };
  await story.require(
    final,
    () => work.take(work.systems),
    (backups) => `${backups.length} backups`,
  );
  const restores = {
    id: 'restores',
    title: `Plan every restore at '${plan.to}' from them`,
    safeToLeave,
    undo: () => members.undoAll(),
  };
  await story.require(restores, () => work.plan(work.systems));
  const caughtUp = { id: 'caught-up', title: 'Prove that nothing was written since', safeToLeave };
  return story.require(
    caughtUp,
    () => work.proveStill(),
    ({ loss }) => loss.join('; '),
  );
}

class FinalBackups {
  readonly systems: readonly SystemName[];
  private readonly run: Handover;
  private readonly from: string;
  private readonly kinds: PlannedFailoverPlan['kinds'];
  private readonly identities: Identities;
  private before: Positions = {};
  private backups: readonly BackupSummary[] = [];
  private findings: readonly Finding[] = [];

  constructor(run: Handover, { from, kinds, stages }: PlannedFailoverPlan, identities: Identities) {
    this.run = run;
    this.from = from;
    this.kinds = kinds;
    this.systems = stages.flat();
    this.identities = identities;
  }

  async note(): Promise<void> {
    this.before = await this.look();
  }

  async take(systems: readonly SystemName[]): Promise<readonly BackupSummary[]> {
    const wanted = systems.map((name) => ({ system: name, kinds: [this.kinds[name] as string] }));
    const taken = await backUpSite(this.run.wish, this.from, wanted, `Final backup of ${this.from}`);
    this.backups = [...this.backups, ...taken.backups];
    this.findings = [...this.findings, ...taken.findings];
    return taken.backups;
  }

  /** Plans the restores anew: members that waited with an older backup are let go first. */
  async plan(systems: readonly SystemName[]): Promise<void> {
    const { members } = this.run;
    await Promise.all(systems.map((name) => members.undo(name)));
    const set = decided(() => finalSet(this.backups, systems));
    await planRestores(this.run, { set, tier: null, identities: this.identities });
  }

  async proveStill(): Promise<CaughtUp> {
    for (let retakes = 0; ; retakes += 1) {
      const now = await this.look();
      const moved = movedSince(this.before, now, this.systems);
      if (moved.length === 0) return this.proven(now);
      if (retakes === MOST_RETAKES) decided(() => requireStill(this.from, moved, this.before, now));
      await this.retake(moved, now);
    }
  }

  private async retake(moved: readonly SystemName[], now: Positions): Promise<void> {
    const each = moved.map((name): Finding => {
      const message = `moved to ${now[name]?.detail} while it was backed up; it was backed up again`;
      return { level: 'warning', subject: `${name} of ${this.from}`, message, code: null };
    });
    this.findings = [...this.findings, ...each];
    await this.take(moved);
    this.before = { ...this.before, ...Object.fromEntries(moved.map((name) => [name, now[name]])) };
    await this.plan(moved);
  }

  private proven(now: Positions): CaughtUp {
    const set = decided(() => finalSet(this.backups, this.systems));
    return { set, loss: lossLines(this.systems, now), findings: this.findings };
  }

  private async look(): Promise<Positions> {
    const { from } = this;
    const ask = (name: SystemName) => system(name, from, 'quick', `where ${name} stands`).readPosition({});
    const found = await Promise.all(this.systems.map(async (name) => [name, await ask(name)] as const));
    return Object.fromEntries(found);
  }
}
