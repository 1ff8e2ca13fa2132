// What the exit codes and the commonest failures want from a person at once. All codes are in the backup procedures.
import { EXIT, FAILURES, type FailureCode } from '../../domain/failures.ts';
import { EXIT_MEANINGS, type ExitName } from '../command.ts';
import { tableOf } from './facts.ts';

const AT_ONCE: Readonly<Record<ExitName, string>> = {
  done: 'nothing',
  failed: 'read the line `DO:`; the same command may be given again',
  usage: 'read the message: the command or `holdfast.yaml` is wrong, nothing was started',
  warnings: 'it is done; read every line that begins with `!` or `WARNING`',
  refused: 'nothing was changed; the message says what has to be true first',
  locked: 'another run works on it: `dr runs watch RUN`',
  notFound: 'look with `dr backups list`, or `dr runs list`',
  noTemporal: '**Without Temporal or a worker**, above',
  objectiveMissed: 'read which one; take a backup when one is too old',
  verificationFailed: 'do not rely on that backup; try the one before, or another tier with `--tier`',
  cannotDecrypt: 'give this worker the private key of a recipient; the escrow key will do',
  toolMissing: '`dr doctor` says what to install',
  undone: 'everything is as it was before; mend the cause and begin again',
  stuck: 'touch nothing; `dr runs watch RUN` shows what is where; call who knows the store',
  detached: 'you stopped watching, the run goes on: `dr runs watch RUN`',
};

const FIXES: readonly (readonly [FailureCode, string])[] = [
  ['BACKUP_NOT_FOUND', 'none is proven: `--unproven`; none so old: another `--at`; else name fewer systems'],
  ['STORE_UNREACHABLE', 'is it running, is the network open, is the password right? `dr doctor` asks each'],
  ['TARGET_MISMATCH', 'the store was built anew: add `--target` with what the message says it is now'],
  ['TARGET_NOT_EMPTY', 'the queue holds messages: restore it beside with `--option into=NAME`'],
  ['TARGET_UNSAFE', 'read the list; restore with `--test` and copy by hand'],
  ['VERSION_UNFIT', 'install the version that the message names; for PostgreSQL `--kind logical` fits newer ones'],
  ['PLAN_CHANGED', 'something changed since the plan: give the same command again, read the new plan'],
  ['NO_SPACE', 'make room where the message says, then retry the step'],
  ['WRONG_KEY', 'the key on this machine is not one of the recipients: bring the escrow key'],
  ['KEY_DISABLED', 'the KMS key is disabled or going: enable it, or cancel its deletion; else bring the escrow key'],
  ['KEY_UNREACHABLE', 'KMS does not answer: wait, or bring the escrow key'],
  ['SECRET_UNRESOLVED', 'a password file or variable is missing on this machine: the message names it'],
  ['APPROVAL_REFUSED', 'the plan is another one, or the hour is over: read the plan and sign again'],
  ['FENCE_OPEN', 'the old site answers: stop it, then retry; never skip'],
  ['FENCE_UNPROVEN', 'the old site is silent: have it seen, then skip `attest` with what was seen'],
  ['SITE_ACTIVE', 'this site serves already: set `activeSite`, restart the workers, look with `dr status`'],
  ['EPOCH_TAKEN', 'somebody else fails over now: `dr runs list --running`, and call them'],
  ['TAKEN_OVER', 'it is finished without Temporal: this end is right; ask who gave `dr failover continue`'],
  ['WRITES_GO_ON', 'clients still write to the old site: find out who, stop them, then retry; or abort'],
  ['HANDOVER_UNPREPARED', 'the message names what is missing; for a site that is dead leave `--planned` out'],
  ['NOT_A_FORMER_SITE', 'only a site that served before can be come back to: `dr failover run --planned`'],
  ['SITE_UNPROVISIONED', 'nothing stands there yet: `dr failover run` shows what Terraform would make, and asks'],
  ['TERRAFORM_LOCKED', 'another Terraform run holds the state: the message says whose; wait, or name the lock'],
  ['DNS_STALE', 'somebody moved the names since the plan: find out who, then begin again'],
  ['DNS_UNPROVEN', 'a name server still gives the old address: wait a minute, then retry'],
  ['CHECKPOINT_MISMATCH', 'the repository was changed by somebody: **Ransomware**, above'],
  ['UNDO_FAILED', 'as exit code 13: nothing is cleaned away, the old data is kept where the plan said'],
];

/** What to do about an exit code and about a failure code. */
export const faultTables = (): string => `## Exit codes

\`echo $?\` right after a command shows its code.

${tableOf(
  ['code', 'what to do at once'],
  (Object.keys(EXIT_MEANINGS) as ExitName[]).map((name) => [EXIT_MEANINGS[name], AT_ONCE[name]]),
)}

## Common faults

The word stands in the Web UI, in \`--json\` and in notices; at the terminal its three lines say the same.

${tableOf(
  ['failure', 'exit', 'quick fix'],
  FIXES.map(([code, fix]) => [`\`${code}\``, String(FAILURES[code].exit || EXIT.failed), fix]),
)}`;
