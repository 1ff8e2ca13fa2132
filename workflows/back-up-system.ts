// One system, one kind: look → take → copy to every tier → read back → seal. Until the seal nothing exists; after it
// the backup is stored, and a failure of what follows cannot take it back.
import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { Finding, SystemFacts } from '../domain/contracts/protected-system.ts';
import type { TierCopy } from '../domain/contracts/repository.ts';
import { type BackupRef, type BackupSummary, backupIdFor, type TakenBackup, totalBytes } from '../domain/manifest.ts';
import { formatBytes } from '../domain/quantities.ts';
import { SYSTEMS } from '../domain/systems.ts';
import { suspicionOf } from '../domain/verification.ts';
import { wireFailureOf } from '../domain/wire-failure.ts';
import type { BackUpSystemInput, BackUpSystemResult } from './messages.ts';
import { repository, system } from './support/activities.ts';
import { close, closeUnfinished, copyAudit, failedFinding } from './support/closing.ts';
import { requireFit } from './support/decisions.ts';
import { Story } from './support/story.ts';
import { thisRun } from './support/this-run.ts';
import { withinLimit } from './support/time-limit.ts';
import { outcomeAfter } from './support/unfinished.ts';

export async function backUpSystem(input: BackUpSystemInput): Promise<BackUpSystemResult> {
  const { title } = SYSTEMS[input.system];
  const story = new Story(`Backup of ${title} (${input.kind}) of ${input.platform}`, input, false);
  const { startTime, firstExecutionRunId } = workflowInfo();
  const backup = {
    system: input.system,
    backupId: backupIdFor(startTime.toISOString(), input.kind, firstExecutionRunId),
  };
  const { facts, sealed, leftovers, suspicion } = await storeOrGiveUp(story, input, backup);
  // Stored: from here on nothing fails the backup itself, and a failure of the audit log is told as what it is.
  const findings = await CancellationScope.nonCancellable(async () => [
    ...(await close(input, told(input, sealed, suspicion))),
    ...(await copyAudit()),
  ]);
  return {
    backup: sealed,
    findings: [...warningsOf(facts), ...suspicion, ...leftovers, ...findings],
    report: story.finish('succeeded', { ...sealed.counts }),
  };
}

async function storeOrGiveUp(story: Story, input: BackUpSystemInput, backup: BackupRef) {
  try {
    return await withinLimit(input, async () => {
      const facts = await look(story, input);
      const taken = await take(story, input, backup);
      const copies = await copyToTiers(story, input, taken);
      const suspicion = await compareWithEarlier(story, taken);
      // The point of no return: once the seal is begun the backup may exist, so it is finished whoever cancels.
      return CancellationScope.nonCancellable(async () => {
        const sealed = await seal(story, marked(taken, suspicion), copies, workflowInfo().workflowId);
        return { facts, sealed, suspicion, leftovers: await clear(story, sealed) };
      });
    });
  } catch (error) {
    await giveUp(story, input, backup, error);
    throw error;
  }
}

async function look(story: Story, { system: name, site, kind }: BackUpSystemInput): Promise<SystemFacts> {
  const facts = await story.require({ id: 'inspect', title: 'Look at the store' }, () =>
    system(name, site, 'quick', `look at ${SYSTEMS[name].title}`).inspect({ site, kinds: [kind] }),
  );
  requireFit(facts.findings);
  return facts;
}

async function take(story: Story, input: BackUpSystemInput, backup: BackupRef): Promise<TakenBackup> {
  const { site, kind } = input;
  story.enter('taking');
  return story.require(
    {
      id: 'take',
      title: `Take ${backup.backupId}`,
      undo: () => repository({ site }, 'quick', 'remove the spool').clearSpool({ backup }),
    },
    () =>
      system(input.system, site, 'long', `take ${backup.backupId}`).takeBackup({
        site,
        backup,
        kind,
        run: thisRun(),
      }),
    ({ facts }) => describeSize(totalBytes(facts.artifacts)),
  );
}

const describeSize = ({ plainBytes, storedBytes }: { plainBytes: number; storedBytes: number }): string =>
  `${formatBytes(plainBytes)} read, ${formatBytes(storedBytes)} stored`;

async function copyToTiers(story: Story, input: BackUpSystemInput, taken: TakenBackup): Promise<readonly TierCopy[]> {
  const { site } = input;
  const backup = { system: taken.facts.system, backupId: taken.facts.backupId };
  story.enter('storing');
  return Promise.all(
    input.tiers.map(async (tier) => {
      const undo = () =>
        repository({ site }, 'quick', `remove the unsealed copy in ${tier}`).discardUnsealed({ backup });
      await story.require({ id: `copy-${tier}`, title: `Copy to ${tier}`, undo }, () =>
        repository({ site }, 'long', `copy to ${tier}`).copyToTier({ taken, tier }),
      );
      return story.require(
        { id: `read-back-${tier}`, title: `Read back every byte from ${tier}` },
        () => repository({ site }, 'long', `read back from ${tier}`).readBack({ taken, tier }),
        ({ objects }) => `${objects.length} objects match`,
      );
    }),
  );
}

/** As many as `suspicionOf` looks at. */
const EARLIER = 10;

// A store that came back empty is stored as well, and told at once: nobody may find out at the restore.
async function compareWithEarlier(story: Story, { facts }: TakenBackup): Promise<readonly Finding[]> {
  const subject = `counts of ${facts.system}/${facts.backupId}`;
  try {
    const earlier = await story.require({ id: 'compare', title: 'Compare with those before it' }, () =>
      repository('control', 'quick', 'list backups').listBackups({
        system: facts.system,
        tier: null,
        newestOfEach: EARLIER,
      }),
    );
    const suspicion = suspicionOf(earlier, facts);
    return suspicion === null ? [] : [{ level: 'failed', subject, message: suspicion, code: 'VERIFICATION_FAILED' }];
  } catch (error) {
    if (isCancellation(error)) throw error;
    const { message } = wireFailureOf(error);
    return [
      { level: 'warning', subject, message: `could not be compared with those before it: ${message}`, code: null },
    ];
  }
}

const marked = (taken: TakenBackup, suspicion: readonly Finding[]): TakenBackup => ({
  ...taken,
  facts: { ...taken.facts, warnings: [...taken.facts.warnings, ...suspicion.map(({ message }) => message)] },
});

async function seal(
  story: Story,
  taken: TakenBackup,
  copies: readonly TierCopy[],
  run: string,
): Promise<BackupSummary> {
  story.enter('sealing');
  const sealed = await story.require(
    { id: 'seal', title: 'Sign the manifest and the checkpoint' },
    () => repository('control', 'quick', 'seal').seal({ taken, copies, run }),
    ({ sequence }) => `sequence ${sequence}`,
  );
  story.keep(); // Sealed: the backup exists, and its copies are no longer anyone's to remove.
  return sealed;
}

// The spool holds nothing that the tiers do not: when it cannot be cleared, that is told and the backup stays stored.
async function clear(story: Story, { system: name, backupId, site }: BackupSummary): Promise<readonly Finding[]> {
  const backup = { system: name, backupId };
  try {
    await story.require({ id: 'clear', title: 'Remove the spool' }, () =>
      repository({ site }, 'quick', 'remove the spool').clearSpool({ backup }),
    );
    return [];
  } catch (error) {
    return [failedFinding('spool', error)];
  }
}

const warningsOf = ({ findings }: SystemFacts): readonly Finding[] =>
  findings.filter(({ level }) => level === 'warning');

function told(input: BackUpSystemInput, sealed: BackupSummary, suspicion: readonly Finding[]) {
  const isSuspicious = suspicion.some(({ level }) => level === 'failed');
  const loud = sealed.warnings.length > 0;
  return {
    act: 'backup.stored',
    subject: `${sealed.system}/${sealed.backupId}`,
    level: isSuspicious ? ('alarm' as const) : loud ? ('warning' as const) : ('info' as const),
    message: [`${SYSTEMS[input.system].title} (${input.kind}) of ${input.platform} is stored`, ...sealed.warnings].join(
      '; ',
    ),
    facts: { sequence: sealed.sequence, plainBytes: sealed.plainBytes, storedBytes: sealed.storedBytes },
  };
}

async function giveUp(story: Story, input: BackUpSystemInput, backup: BackupRef, error: unknown): Promise<void> {
  const undone = await story.undoAll(error);
  const outcome = outcomeAfter(error, undone, false);
  story.finish(outcome);
  await closeUnfinished(
    input,
    {
      act: `backup.${outcome}`,
      subject: `${backup.system}/${backup.backupId}`,
      level: outcome === 'cancelled' ? 'warning' : 'alarm',
      ...(outcome === 'cancelled' ? { message: 'the backup was cancelled and left nothing' } : {}),
      facts: { undone: undone === 'undone' },
    },
    error,
  );
}
