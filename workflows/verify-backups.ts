// Is what is stored really there, whole, young enough, and does it restore? "Could not verify" is a failure, and so is
// the absence of a backup. One backup after the other: a proof uses the disk and the cores of a restore.
import { executeChild, isCancellation } from '@temporalio/workflow';
import { newestOfEachKind } from '../domain/backup-choice.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';
import type { ListLimits } from '../domain/contracts/repository.ts';
import { type FailureCode, isFailureCode } from '../domain/failures.ts';
import type { BackupSummary } from '../domain/manifest.ts';
import { proofWorkflowId } from '../domain/run-names.ts';
import {
  judgeCounts,
  judgeDependants,
  judgeKeys,
  judgePresence,
  judgeProof,
  judgeSize,
  presenceSubject,
  worstLevel,
} from '../domain/verification.ts';
import {
  CONTROL_QUEUE,
  SEARCH_ATTRIBUTES,
  type VerifiedBackup,
  type VerifyBackupsInput,
  type VerifyBackupsResult,
} from './messages.ts';
import { restoreSystem } from './restore-system.ts';
import { audit, repository, system } from './support/activities.ts';
import { close, closeUnfinished, copyAudit, failedFinding } from './support/closing.ts';
import { refuse } from './support/decisions.ts';
import { Story } from './support/story.ts';
import { thisRun } from './support/this-run.ts';
import { withinLimit } from './support/time-limit.ts';

export async function verifyBackups(input: VerifyBackupsInput): Promise<VerifyBackupsResult> {
  const story = new Story(`Verification of ${input.platform} (${input.depth})`, input, false);
  const { general, verified } = await lookOrTell(story, input);
  return conclude(story, input, general, verified);
}

// A look that could not be made, for example at a list that is not the newest, is told as loudly as a bad backup.
async function lookOrTell(story: Story, input: VerifyBackupsInput) {
  try {
    return await withinLimit(input, () => look(story, input));
  } catch (error) {
    const outcome = isCancellation(error) ? 'cancelled' : 'failed';
    story.finish(outcome);
    await closeUnfinished(input, { act: `verification.${outcome}`, subject: input.platform }, error);
    throw error;
  }
}

async function look(story: Story, input: VerifyBackupsInput) {
  const backups = await listFor(story, input);
  const general = [
    ...(await checkRepository(story)),
    ...judgeAges(input, backups),
    ...judgeProofs(input, backups),
    ...leftOut(backups),
  ];
  const verified: VerifiedBackup[] = [];
  for (const backup of choose(input, backups)) verified.push(await verifyOne(story, input, backup, backups));
  return { general, verified };
}

/** Enough of each kind to judge the newest beside its history. */
const HISTORY = 11;
/** One run's history must stay below Temporal's 51,200 events, and its messages below 2 MiB. */
const MOST_VERIFIED = 500;

const list = (story: Story, limits: ListLimits): Promise<readonly BackupSummary[]> =>
  story.require(
    { id: 'list', title: 'List what is stored' },
    () => repository('control', 'quick', 'list backups').listBackups({ system: null, tier: null, ...limits }),
    (backups) => `${backups.length} backups`,
  );

// A named one is looked up beside the newest of each kind, which tell of ages and usual sizes.
async function listFor(story: Story, input: VerifyBackupsInput): Promise<readonly BackupSummary[]> {
  const newest = await list(story, input.all ? { most: MOST_VERIFIED + 1 } : { newestOfEach: HISTORY });
  if (input.backup === null) return newest;
  const { backupId } = input.backup;
  const others = newest.filter((one) => one.backupId !== backupId);
  return [...others, ...(await list(story, { backupId }))];
}

const checkRepository = async (story: Story): Promise<readonly Finding[]> => {
  const facts = await story.require({ id: 'repository', title: 'Check the tiers and their disk space' }, () =>
    repository('control', 'quick', 'check the tiers').prepare({ run: 'verify' }),
  );
  return [...judgeKeys(facts.findings), ...(await audit('check the audit log and its copies').verify({}))];
};

function judgeAges(input: VerifyBackupsInput, backups: readonly BackupSummary[]): Finding[] {
  return input.systems.map((name) => judgePresence(backups, name, input.maximumAgeSeconds[name] ?? 0, Date.now()));
}

// A run that proves says by its verdicts whether that is possible; the others look at what was proven before.
function judgeProofs(input: VerifyBackupsInput, backups: readonly BackupSummary[]): readonly Finding[] {
  const { proofLimitSeconds: limit, depth, systems } = input;
  if (limit === undefined || depth === 'proof') return [];
  return systems.flatMap((name) => judgeProof(backups, name, limit, Date.now()));
}

function choose(input: VerifyBackupsInput, backups: readonly BackupSummary[]): readonly BackupSummary[] {
  if (input.depth === 'presence') return [];
  if (input.backup !== null) return named(input.backup.backupId, backups);
  if (input.all) return backups.slice(0, MOST_VERIFIED).filter(({ system: name }) => input.systems.includes(name));
  return newestOfEachKind(backups, input.systems);
}

function leftOut({ length }: readonly BackupSummary[]): Finding[] {
  if (length <= MOST_VERIFIED) return [];
  const message = `only the newest ${MOST_VERIFIED} were verified; name older ones with --backup`;
  return [{ level: 'warning', subject: 'older backups', message, code: null }];
}

function named(backupId: string, backups: readonly BackupSummary[]): readonly BackupSummary[] {
  const found = backups.filter((backup) => backup.backupId === backupId);
  if (found.length === 0) throw refuse('BACKUP_NOT_FOUND', `there is no backup '${backupId}'`);
  return found;
}

async function verifyOne(
  story: Story,
  input: VerifyBackupsInput,
  backup: BackupSummary,
  all: readonly BackupSummary[],
): Promise<VerifiedBackup> {
  const ref = { system: backup.system, backupId: backup.backupId };
  const subject = `${ref.system}/${ref.backupId}`;
  story.enter(`verifying ${subject}`);
  try {
    return await story.require(
      { id: subject, title: subject },
      async () => {
        const stored = [
          judgeSize(all, backup),
          judgeCounts(all, backup),
          ...(await checkTiers(backup)),
          ...(await checkContent(input, ref)),
        ];
        const findings =
          worstLevel(stored) === 'failed' || input.depth !== 'proof'
            ? stored
            : [...stored, ...(await prove(input, ref))];
        const verdict = worstLevel(findings) === 'failed' ? 'failed' : input.depth === 'proof' ? 'proven' : 'stored';
        const told = verdict === 'failed' ? [...findings, ...judgeDependants(all, ref)] : findings;
        return { backup: ref, kind: backup.kind, verdict, findings: input.all ? short(told) : told } as const;
      },
      ({ verdict, findings }) => `${verdict}, ${findings.length} checks`,
    );
  } catch (error) {
    if (isCancellation(error)) throw error;
    const findings = [failedFinding(subject, error), ...judgeDependants(all, ref)];
    return { backup: ref, kind: backup.kind, verdict: 'failed', findings };
  }
}

// Of hundreds of backups only what is not well is told one by one.
function short(findings: readonly Finding[]): readonly Finding[] {
  const good = findings.filter(({ level }) => level === 'ok');
  const message = `${good.length} checks are good`;
  return [...findings.filter(({ level }) => level !== 'ok'), { level: 'ok', subject: 'checks', message, code: null }];
}

// In the tiers that the newest checkpoint names: retention keeps an older backup in fewer than the configured ones.
async function checkTiers({ system: name, backupId, tiers }: BackupSummary): Promise<Finding[]> {
  const backup = { system: name, backupId };
  const perTier = await Promise.all(
    tiers.map((tier) => repository('control', 'long', `read ${backupId} in ${tier}`).checkStored({ backup, tier })),
  );
  return perTier.flat();
}

async function checkContent(
  { site }: VerifyBackupsInput,
  backup: VerifiedBackup['backup'],
): Promise<readonly Finding[]> {
  const room = system(backup.system, site, 'long', `open ${backup.backupId} in full`);
  const { findings } = await room.checkBackup({
    site,
    backup,
    tier: null,
    run: thisRun(),
  });
  return findings;
}

async function prove(input: VerifyBackupsInput, backup: VerifiedBackup['backup']): Promise<readonly Finding[]> {
  const { platform, site, tiers, requestedBy } = input;
  const { findings } = await executeChild(restoreSystem, {
    workflowId: proofWorkflowId(platform, backup.system, backup.backupId),
    taskQueue: CONTROL_QUEUE,
    args: [
      {
        ...{ platform, site, tiers, requestedBy, scheduled: true, dryRun: false, system: backup.system },
        request: {
          backup,
          tier: null,
          scope: { kind: 'whole', names: {} },
          target: 'scratch',
          expectedIdentity: null,
          options: {},
        },
      },
    ],
    parentClosePolicy: 'REQUEST_CANCEL',
    staticSummary: `Proof of ${backup.system}/${backup.backupId}`,
    typedSearchAttributes: [
      { key: SEARCH_ATTRIBUTES.platform, value: platform },
      { key: SEARCH_ATTRIBUTES.system, value: backup.system },
      { key: SEARCH_ATTRIBUTES.site, value: site },
    ],
  });
  const checks = findings.map(({ subject, message }) => `${subject}: ${message}`);
  // Named by this very run: a later run's proof is a new one, and a proof does not get older by being repeated.
  await repository('control', 'quick', 'record the proof').recordProof({ backup, run: `verify/${thisRun()}`, checks });
  return findings;
}

async function conclude(
  story: Story,
  input: VerifyBackupsInput,
  general: readonly Finding[],
  verified: readonly VerifiedBackup[],
): Promise<VerifyBackupsResult> {
  const bad = verified.filter(({ verdict }) => verdict === 'failed');
  const failures = general.filter(({ level }) => level === 'failed');
  const verdict = bad.length + failures.length === 0 ? 'passed' : 'failed';
  const what = [
    ...failures.map(({ message }) => message.split('\n', 1)[0]),
    ...bad.map(({ backup }) => `${backup.system}/${backup.backupId} is not good`),
  ];
  const message = verdict === 'passed' ? `${verified.length} backups are good` : what.join('; ');
  const level = verdict === 'passed' ? 'info' : 'alarm';
  const facts = { depth: input.depth, checked: verified.length, failed: bad.length + failures.length };
  const closing = await close(input, {
    act: `verification.${verdict}`,
    subject: input.platform,
    level,
    message,
    facts,
  });
  const report = story.finish(verdict === 'passed' ? 'succeeded' : 'failed');
  const all = [...general, ...closing, ...(await copyAudit()), ...(await renewRunbook(verified))];
  const result: VerifyBackupsResult = { verdict, backups: verified, findings: all, report };
  const absent = input.systems.filter((name) => failures.some(({ subject }) => subject === presenceSubject(name)));
  const code = codeOf(failures, bad);
  const mend = KEY_ADVICE[code];
  const details = { system: absent.join(' '), ...(mend === undefined ? {} : { mend }) };
  if (verdict === 'failed') throw refuse(code, message, details, undefined, result);
  return result;
}

const GIVE_A_KEY = "give a worker the private key of a recipient ('dr keys show'), then verify again";
const KEY_ADVICE: Readonly<Partial<Record<FailureCode, string>>> = {
  WRONG_KEY: GIVE_A_KEY,
  KEY_MISSING: GIVE_A_KEY,
  KEY_DISABLED: 'enable the key, or cancel its deletion, in KMS while another recipient still opens; then verify again',
  KEY_UNREACHABLE: "let the witness reach KMS, then verify again; 'dr keys show' names who opens the backups meanwhile",
};

// After each run that proved something: the way back without us names the newest proven backups.
async function renewRunbook(verified: readonly VerifiedBackup[]): Promise<readonly Finding[]> {
  if (!verified.some(({ verdict }) => verdict === 'proven')) return [];
  try {
    await repository('control', 'quick', 'write the runbook into every tier').writeRunbook({});
    return [];
  } catch (error) {
    return [failedFinding('runbook.md', error)];
  }
}

// Absence alone is an objective missed, and a key that fits nothing says nothing about the backups; anything else weighs
// more.
function codeOf(failures: readonly Finding[], bad: readonly VerifiedBackup[]): FailureCode {
  const causes = new Set([
    ...failures.map(({ code }) => code),
    ...bad.flatMap(({ findings }) => findings.filter(({ level }) => level === 'failed').map(({ code }) => code)),
  ]);
  const [only, ...others] = causes;
  const isItself = only === 'BACKUP_ABSENT' || (isFailureCode(only) && KEY_ADVICE[only] !== undefined);
  return others.length === 0 && isItself ? only : 'VERIFICATION_FAILED';
}
