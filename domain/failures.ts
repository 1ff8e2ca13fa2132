// The one table of failures: stable code, exit status, whether a retry can help, what it means, what to do.
// A failure is told in three lines: what happened, MEANS, DO. The code is also Temporal's ApplicationFailure type.

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  warnings: 3,
  refused: 4,
  locked: 5,
  notFound: 6,
  noTemporal: 7,
  objectiveMissed: 8,
  verificationFailed: 9,
  cannotDecrypt: 10,
  toolMissing: 11,
  undone: 12,
  stuck: 13,
  detached: 130,
} as const;

export interface FailureKind {
  readonly exit: number;
  readonly retryable: boolean;
  readonly means: string;
  readonly action: string;
}

const kind = (exit: number, retryable: boolean, means: string, action: string): FailureKind => ({
  exit,
  retryable,
  means,
  action,
});

/** `{name}` in a text is filled from the failure's details; an unknown name stays as it is. */
export const FAILURES = {
  CONFIG_INVALID: kind(
    EXIT.usage,
    false,
    'nothing was started',
    "mend the lines named above, then run 'dr config check'",
  ),
  CONFIG_MISSING: kind(
    EXIT.usage,
    false,
    'nothing was started',
    "name the file with --config FILE, or make one with 'dr init'",
  ),
  USAGE: kind(EXIT.usage, false, 'nothing was started', "see 'dr --help'"),
  FILE_EXISTS: kind(
    EXIT.refused,
    false,
    'it was not overwritten, and nothing else was written',
    'name another folder, or move it away first',
  ),
  SECRET_IN_ARGUMENTS: kind(
    EXIT.usage,
    false,
    'every user of this machine can read it there; nothing was written',
    "give the addresses on standard input ('--from-urls -'), or write ${env:NAME} in place of the password",
  ),
  SECRET_UNRESOLVED: kind(
    EXIT.usage,
    false,
    'a secret that the configuration refers to cannot be read here, so nothing was started',
    "provide it on this machine, then run 'dr doctor'",
  ),
  FILE_TOO_OPEN: kind(
    EXIT.refused,
    false,
    'others on this machine can read a secret, so it was not used',
    "run 'chmod 600 {path}'",
  ),
  TOOL_MISSING: kind(
    EXIT.toolMissing,
    false,
    'this step cannot run on this machine',
    "install it ({install}), then run 'dr doctor'",
  ),
  ATTEMPT_STALE: kind(
    EXIT.failed,
    true,
    'the worker was frozen for so long that its work is done by another attempt; it touched nothing after waking',
    'nothing: the step goes on by itself; find out what held the worker (a suspended machine, swapping, a debugger)',
  ),
  TOOL_FAILED: kind(
    EXIT.failed,
    true,
    'the step did not finish and left nothing that counts as done',
    "read the tool's words above; the step is tried again by itself",
  ),
  VERSION_UNFIT: kind(
    EXIT.refused,
    false,
    'the versions do not fit, so the step was refused before anything was changed',
    'use a version that fits ({need})',
  ),
  STORE_UNREACHABLE: kind(
    EXIT.failed,
    true,
    'the store cannot be reached, so its state is unknown',
    "check that it runs and that this worker may reach it: 'dr doctor'",
  ),
  STORE_HELD_BACK: kind(
    EXIT.failed,
    false,
    'the store takes nothing for want of memory or disk; what it has confirmed stays',
    'give it room, then retry the step: it goes on behind what is there',
  ),
  BACKUP_FAILED: kind(
    EXIT.failed,
    false,
    'what failed is not protected by a new backup; what succeeded is stored',
    'mend the reasons named above, and back up again',
  ),
  STORE_UNFIT: kind(
    EXIT.refused,
    false,
    'a backup taken now would fail or be wrong, so none was taken',
    "see 'dr doctor'",
  ),
  ACCESS_DENIED: kind(
    EXIT.refused,
    false,
    'the account lacks a right that this step needs',
    "grant it ({need}), then run 'dr doctor'",
  ),
  NO_SPACE: kind(
    EXIT.failed,
    false,
    'the disk is full; partial files were removed and earlier backups are intact',
    'free {needBytes} bytes at {path}, then retry the step',
  ),
  NO_FILE_ACCESS: kind(
    EXIT.refused,
    false,
    "this kind of backup reads the store's files, and this worker cannot",
    'run the worker where the files are, or choose another kind',
  ),
  FREEZE_TOO_LONG: kind(
    EXIT.refused,
    false,
    'the broker would stand still longer than allowed, so it was not frozen',
    'raise rabbitmq.freezeLimitMs, use a storage snapshot hook, or take definitions only',
  ),
  LIVE_QUEUE_READ_REFUSED: kind(
    EXIT.refused,
    false,
    'reading a live queue can destroy its messages',
    'messages are read from a clone; see docs/BACKUP_PROCEDURES.md',
  ),
  BACKUP_NOT_FOUND: kind(EXIT.notFound, false, 'there is nothing to work on', "see 'dr backups list'"),
  SPREAD_TOO_WIDE: kind(
    EXIT.refused,
    false,
    'together these backups would disagree more than the platform bears; nothing was touched',
    "choose an earlier moment with --at (see 'dr backups list'), or bear it with --max-spread",
  ),
  PART_NOT_FOUND: kind(
    EXIT.notFound,
    false,
    'the backup is fine but does not hold what was named',
    "see 'dr backups show {backup}'",
  ),
  ARTIFACT_MISSING: kind(
    EXIT.verificationFailed,
    false,
    'this copy of the backup cannot be restored',
    "restore from another tier with --tier, and run 'dr verify'",
  ),
  ARTIFACT_DAMAGED: kind(
    EXIT.verificationFailed,
    false,
    'this copy of the backup cannot be restored; nothing was written to the target',
    "restore from another tier with --tier, and take a new backup with 'dr backup {system}'",
  ),
  ARCHIVE_UNSAFE: kind(
    EXIT.refused,
    false,
    'the archive could write outside of its target; nothing was written',
    'do not use this backup, and find out who wrote it',
  ),
  MANIFEST_UNTRUSTED: kind(
    EXIT.verificationFailed,
    false,
    'the backup was not sealed by a key that the configuration trusts',
    'find out who wrote it before using it; trusted keys are in repository.signing.trusted',
  ),
  SEALER_UNCONFIRMED: kind(
    EXIT.refused,
    false,
    'nothing was written: whoever can write there could have made another repository in its place',
    "compare it with the id kept beside the escrow key ('dr keys show' prints it), then add --trust {keyId}",
  ),
  CHECKPOINT_MISMATCH: kind(
    EXIT.verificationFailed,
    false,
    'the repository is older than, or differs from, what was sealed: it may have been replaced',
    "do not delete anything; compare the tiers with 'dr verify --all'",
  ),
  WRONG_KEY: kind(
    EXIT.cannotDecrypt,
    false,
    'the backup is intact but this worker cannot open it',
    'give the worker the private key of a recipient: {recipients}',
  ),
  KEY_MISSING: kind(
    EXIT.cannotDecrypt,
    false,
    'this worker holds no private key, so it can write backups but not open them',
    'run this on a worker with repository.keys.private configured',
  ),
  KEY_DISABLED: kind(
    EXIT.cannotDecrypt,
    false,
    'backups are intact, and this key opens none of them until it is enabled again; one that is deleted never will',
    "enable it, or cancel its deletion, in KMS ({arn}); meanwhile the private key of another recipient opens them: 'dr keys show'",
  ),
  KEY_UNREACHABLE: kind(
    EXIT.cannotDecrypt,
    true,
    'the backups are intact; whether this key still opens them is unknown',
    "let this worker reach KMS ({arn}); until then a key of another region or the escrow key opens them: 'dr keys show'",
  ),
  REPOSITORY_FOREIGN: kind(
    EXIT.refused,
    false,
    'the repository belongs to another platform',
    'check repository.tiers in the configuration',
  ),
  REPOSITORY_UNSAFE: kind(
    EXIT.refused,
    false,
    'the tier lets one writer replace what another has written',
    'use a store that honours create-only writes; see docs/repository-format.md',
  ),
  LISTING_INCOMPLETE: kind(
    EXIT.failed,
    true,
    'it is not known what is stored, so nothing was concluded or deleted',
    "check the tier's health, then try again",
  ),
  ALREADY_EXISTS_DIFFERENT: kind(
    EXIT.refused,
    false,
    'another writer stored other bytes under the same name; both were kept',
    "find the other run with 'dr runs list'",
  ),
  RETENTION_REFUSED: kind(
    EXIT.refused,
    false,
    'nothing was deleted',
    'read the reasons above; retention keeps more when in doubt',
  ),
  ROTATION_UNFINISHED: kind(
    EXIT.failed,
    false,
    'every backup can be opened: some by their new keys already, the others by their old ones',
    "keep the old private keys, mend the reasons named above, and run 'dr keys rotate' again",
  ),
  CLOCK_SKEWED: kind(
    EXIT.refused,
    false,
    'times cannot be trusted, so nothing that depends on them was done',
    'correct the clock of this machine, then try again',
  ),
  RESTORE_MISMATCH: kind(
    EXIT.verificationFailed,
    false,
    'what was restored differs from what the backup recorded',
    'do not rely on this backup; choose another, and keep this one for study',
  ),
  TARGET_MISMATCH: kind(
    EXIT.refused,
    false,
    'the target is not the store that was named; it was not touched',
    'check the site in the configuration, or give the right --target',
  ),
  TARGET_NOT_EMPTY: kind(
    EXIT.refused,
    false,
    'the target already holds data; it was not touched',
    'restore under another name, or approve replacing it',
  ),
  TARGET_UNSAFE: kind(
    EXIT.refused,
    false,
    'replacing this in place could break what refers to it; it was not touched',
    'read the list above; restore into scratch with --test and copy by hand',
  ),
  NOT_CONFIRMED: kind(EXIT.refused, false, 'nothing was changed', "type the platform's name, or give --confirm NAME"),
  PLAN_CHANGED: kind(
    EXIT.refused,
    false,
    'the world is no longer what the plan was made from, so it was not carried out',
    'look at the new plan and approve that',
  ),
  SITE_ACTIVE: kind(
    EXIT.refused,
    false,
    'there is nothing to fail over to',
    "name the other site: see 'dr config show'",
  ),
  EPOCH_TAKEN: kind(
    EXIT.locked,
    false,
    'another run decides which site is the active one; this one changed nothing',
    "see what it does: 'dr runs list'; then plan anew",
  ),
  EPOCH_BROKEN: kind(
    EXIT.stuck,
    false,
    'nobody can say which site is the active one, so none is changed',
    'bring the epochs at the witness back from its copy; never delete one',
  ),
  TAKEN_OVER: kind(
    EXIT.locked,
    false,
    'this run was taken over from Temporal and is carried on without it; here it stops and undoes nothing',
    "nothing here; see how far it is with 'dr failover continue {run} --without-temporal'",
  ),
  TEMPORAL_ALIVE: kind(
    EXIT.refused,
    false,
    'Temporal carries the run on itself, and two may not do that; nothing was changed',
    "watch it with 'dr runs watch {run}'; add --take-over only if it cannot go on there",
  ),
  STILL_WORKING: kind(
    EXIT.locked,
    true,
    'two would do the same step at once; nothing was begun',
    "end the platform's workers ('dr worker'), then give the same command again",
  ),
  PERSON_NEEDED: kind(
    EXIT.stuck,
    false,
    'the run stopped where a person has to decide; what was done is in its journal and stays',
    'at a terminal: dr failover continue {run} --without-temporal',
  ),
  JOURNAL_BROKEN: kind(
    EXIT.stuck,
    false,
    'what the run has done cannot be told for certain, so nothing was done',
    "look at the files of the run in the witness's folder 'journal', and bring them back from its copy",
  ),
  LEDGER_BROKEN: kind(
    EXIT.failed,
    false,
    'what a failover took or lost cannot be told from the ledger at the witness',
    "bring that record back from the witness's copy; never edit one",
  ),
  APPROVAL_REFUSED: kind(
    EXIT.refused,
    false,
    'it does not count; the run still waits',
    "make one for this plan: 'dr approve RUN --as NAME --key FILE'",
  ),
  FENCE_OPEN: kind(
    EXIT.refused,
    false,
    'two sites would take writes, so nothing was restored at the new one',
    "stop the stores of '{site}' or close its network, then retry the step",
  ),
  FENCE_UNPROVEN: kind(
    EXIT.refused,
    false,
    'it may still take writes that nobody would ever see again',
    "make sure by other means that '{site}' is cut off; then skip the step with what you saw as the reason",
  ),
  HANDOVER_UNPREPARED: kind(
    EXIT.refused,
    false,
    'it could lose something, or could not be taken back, so nothing was touched',
    "mend what is named above, then plan again; 'dr config check' tells it beforehand",
  ),
  WRITES_GO_ON: kind(
    EXIT.refused,
    false,
    'what came after the final backup would be lost: no-go. Nothing was fenced or restored',
    'stop who still writes, then retry the step (a new backup is taken), or abort: clients are let in again',
  ),
  NOT_A_FORMER_SITE: kind(
    EXIT.refused,
    false,
    'there is nothing to fail back to',
    "name one that was, or go to a new one: 'dr failover run --planned --to {site}'",
  ),
  PLAN_IMPOSSIBLE: kind(
    EXIT.usage,
    false,
    'no order satisfies what was asked for, so nothing was started',
    'break the circle that is named above',
  ),
  ABORTED: kind(EXIT.undone, false, 'the run was stopped and what it had done was undone', 'start again when ready'),
  UNDO_FAILED: kind(
    EXIT.stuck,
    false,
    'the step failed and its undo failed too: the target is between two states',
    "a person is needed: look at 'dr runs watch {run}' and docs/RECOVERY_PROCEDURES.md",
  ),
  RUN_TERMINATED: kind(
    EXIT.stuck,
    false,
    'it ended at once, so nothing of what it had begun was undone or cleaned up',
    "look at its steps in the Web UI, then run 'dr doctor'",
  ),
  OUT_OF_TIME: kind(
    EXIT.failed,
    false,
    'the run was ended and undone so that it does not meet the next one; the objective is at risk',
    "find what is slow in the run's steps, or make the schedule rarer",
  ),
  LOCKED: kind(EXIT.locked, false, 'another run works on the same thing', "watch it: 'dr runs watch {run}'"),
  RUN_NOT_FOUND: kind(EXIT.notFound, false, 'there is nothing to watch or to answer', "see 'dr runs list'"),
  NO_TEMPORAL: kind(
    EXIT.noTemporal,
    true,
    'no workflow can be started or asked',
    "start it, or set TEMPORAL_ADDRESS; without it work 'dr doctor', and with --without-temporal 'dr backups list'",
  ),
  NO_WORKER: kind(EXIT.noTemporal, true, 'the run would wait for ever', "start one: 'dr worker --queue {queue}'"),
  VERIFICATION_FAILED: kind(
    EXIT.verificationFailed,
    false,
    'at least one backup is not known to be good',
    'read the findings, then take and verify a new backup',
  ),
  SCRATCH_ENDED: kind(
    EXIT.failed,
    true,
    'an isolated server of ours ended or did not answer, so the step proved nothing; the live store was not touched',
    'the step is tried again by itself; if it keeps failing, look for missing memory or disk on this machine',
  ),
  COULD_NOT_VERIFY: kind(
    EXIT.verificationFailed,
    false,
    'a check could not be made, which counts as failed',
    'mend what prevented the check, then verify again',
  ),
  BACKUP_ABSENT: kind(
    EXIT.objectiveMissed,
    false,
    'the newest usable backup is older than the objective allows',
    "take one now: 'dr backup {system}'",
  ),
  NOTIFICATION_FAILED: kind(
    EXIT.failed,
    true,
    'a person who should know does not',
    'check the channel in notifications; the event is in the audit log',
  ),
  AUDIT_BROKEN: kind(
    EXIT.verificationFailed,
    false,
    'the audit log was edited, reordered or cut',
    'keep the log as it is and compare it with the copies in the other tiers',
  ),
  CERTIFICATE_UNFIT: kind(
    EXIT.failed,
    false,
    'clients will refuse this certificate',
    'renew or replace it; the finding names what is wrong',
  ),
  DNS_STALE: kind(
    EXIT.locked,
    false,
    'another run has moved the zone since this plan was made; the change was refused as a whole and moved nothing',
    "find out who did, with 'dr doctor' and 'dr runs list', and plan again",
  ),
  DNS_UNFIT: kind(
    EXIT.refused,
    false,
    'the zone is not what the configuration says, so a move would fail or be wrong, and none was made',
    "mend the record or the setting that is named above, then run 'dr doctor'",
  ),
  DNS_UNREACHABLE: kind(
    EXIT.failed,
    true,
    "Route 53's change API gave no usable answer: whether a change that was sent was made is not known yet",
    'nothing at first: the next try finds what was done; when that lasts, use the second switch',
  ),
  DNS_PENDING: kind(
    EXIT.failed,
    false,
    'the change was taken but is not at every name server in time, so traffic does not count as moved',
    'retry the step to wait again; when that lasts, use the second switch',
  ),
  DNS_UNPROVEN: kind(
    EXIT.verificationFailed,
    false,
    'a name server does not give the new addresses, whatever Route 53 says, so traffic does not count as moved',
    'ask that server yourself (dig @SERVER NAME); retry the step when it gives them',
  ),
  TERRAFORM_REFUSED: kind(
    EXIT.refused,
    false,
    'what is stored there would be lost, or nobody can tell, so nothing was applied',
    'change the configuration so that it stays; what really has to go is removed by hand, with Terraform itself',
  ),
  TERRAFORM_LOCKED: kind(
    EXIT.locked,
    true,
    'another Terraform run holds the state, or one that died has left its lock; it was not forced, nothing was changed',
    "wait for that run; when it is dead for certain, name its lock: 'dr runs retry RUN STEP --reason … --input unlock={id}'",
  ),
  TERRAFORM_FAILED: kind(
    EXIT.failed,
    true,
    'Terraform did not come to its end; what it has made stands, and its state says so',
    'mend what its words above name, then retry the step: it goes on with the rest of what was agreed to',
  ),
  SITE_UNPROVISIONED: kind(
    EXIT.refused,
    false,
    'what does not stand cannot be looked at, so its restores are planned afterwards; nothing was made yet',
    "agree with 'dr runs retry RUN provision --reason … --input plan={digest}', or abort",
  ),
  BUG: kind(EXIT.failed, true, 'Holdfast met a state that it believed impossible', 'report it with the message above'),
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof FAILURES;

export type FailureDetails = Readonly<Record<string, string | number | boolean | null>>;

/** A failure of ours: a code of the table, what happened, and the values its texts name. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly details: FailureDetails;

  constructor(code: FailureCode, whatHappened: string, details: FailureDetails = {}, cause?: unknown) {
    super(whatHappened, cause === undefined ? {} : { cause });
    this.name = code;
    this.code = code;
    this.details = details;
  }
}

/** True when `code` is in the table: failures cross Temporal as plain strings. */
export function isFailureCode(code: string | null | undefined): code is FailureCode {
  return typeof code === 'string' && Object.hasOwn(FAILURES, code);
}

const fill = (text: string, details: FailureDetails): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));

/** The three lines a person reads. A detail named `mend` is the better advice: it takes the place of the table's. */
export function describeFailure(code: FailureCode, whatHappened: string, details: FailureDetails = {}): string {
  const { means, action } = FAILURES[code];
  const advice = typeof details.mend === 'string' ? details.mend : fill(action, details);
  return `${whatHappened}\nMEANS: ${fill(means, details)}\nDO: ${advice}`;
}
