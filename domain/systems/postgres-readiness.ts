// Whether a PostgreSQL server can be backed up as asked: facts in, findings out.
import type { Finding } from '../contracts/protected-system.ts';

export interface ServerState {
  readonly user: string;
  readonly isSuperuser: boolean;
  readonly canReplicate: boolean;
  readonly canReadAll: boolean;
  readonly walLevel: string;
  readonly maxWalSenders: number;
  readonly usedWalSenders: number;
  readonly maxSlots: number;
  readonly usedSlots: number;
  readonly refusingDatabases: readonly string[];
  readonly collationMismatches: readonly string[];
  readonly versionNumber: number;
  /** The server writes down which blocks change, for incremental base backups. */
  readonly summarizesWal: boolean;
  readonly dataChecksums: boolean;
  /** `max_slot_wal_keep_size`; -1 is without limit. */
  readonly slotLimitMegabytes: number;
  /** Slots that nobody uses and the WAL that each holds back. */
  readonly idleSlots: readonly { readonly name: string; readonly heldBytes: number }[];
  /** Null where the server archives no WAL. */
  readonly archive: ArchiveState | null;
  readonly hasService: boolean;
  readonly hasDataDirectory: boolean;
}

/** What the server says of its archiving of WAL. */
export interface ArchiveState {
  /** Segments that wait to be archived; null when it may not be asked. */
  readonly waiting: number | null;
  readonly lastArchived: string | null;
  readonly lastFailed: string | null;
  /** The last attempt failed, or nothing ever succeeded. */
  readonly isFailing: boolean;
  /** Whether the archive holds the segment last archived; null when nobody said where it can be read. */
  readonly isThere: boolean | 'unreadable' | null;
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Findings about the server itself; `kinds` empty looks at all kinds. */
export function judgeServer(state: ServerState, kinds: readonly string[]): Finding[] {
  const wants = (kind: string) => kinds.length === 0 || kinds.includes(kind);
  return [
    ...judgeWal(state),
    ...(wants('logical') ? judgeLogical(state) : []),
    ...(wants('physical') || wants('incremental') ? judgePhysical(state) : []),
    ...(kinds.includes('incremental') ? judgeIncremental(state) : []),
    ...judgeRestore(state),
  ];
}

const MOST_WAITING = 2;
const MUCH_WAL = 1024 ** 3;

function judgeWal({ archive, idleSlots, slotLimitMegabytes, dataChecksums }: ServerState): Finding[] {
  const warning = (subject: string, message: string, mend: string): Finding => ({
    level: 'warning',
    subject,
    message,
    code: null,
    mend,
  });
  const unlimited = slotLimitMegabytes < 0 ? ', and nothing limits it (max_slot_wal_keep_size)' : '';
  return [
    ...idleSlots
      .filter(({ heldBytes }) => heldBytes >= MUCH_WAL)
      .map(({ name, heldBytes }) =>
        warning(
          `replication slot ${quoted(name)}`,
          `is used by nobody and holds back ${Math.round(heldBytes / 1024 ** 2)} MiB of WAL on the server's disk${unlimited}`,
          "start what reads from it or drop it, and ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'",
        ),
      ),
    ...(archive === null ? [] : judgeArchive(archive, warning)),
    ...(dataChecksums
      ? []
      : [warning('data_checksums', 'are off: damage of a page on the disk is not noticed', 'pg_checksums --enable')]),
  ];
}

function judgeArchive(
  { waiting, lastArchived, lastFailed, isFailing, isThere }: ArchiveState,
  warning: (subject: string, message: string, mend: string) => Finding,
): Finding[] {
  const mend = "look at archive_command, its target and the server's log";
  if (isFailing) return [warning('WAL archive', `archiving fails at ${lastFailed}: the archive has a gap`, mend)];
  if (waiting !== null && waiting > MOST_WAITING)
    return [warning('WAL archive', `${waiting} segments wait to be archived after ${lastArchived ?? 'none'}`, mend)];
  if (isThere === false)
    return [warning('WAL archive', `archive_command said that ${lastArchived} is stored, and it is not there`, mend)];
  if (isThere === 'unreadable')
    return [warning('WAL archive', 'postgres.archiveDirectory cannot be read', 'ls -l the folder that it names')];
  const message = 'archiving goes on; whether the archive holds what it was given cannot be seen from here';
  if (isThere === null) return [{ level: 'ok', subject: 'WAL archive', message, code: null, mend: LET_US_LOOK }];
  return [];
}

const LET_US_LOOK = 'set postgres.archiveDirectory where this worker can read the archive';

function judgeLogical(state: ServerState): Finding[] {
  const role = `role ${quoted(state.user)}`;
  const findings: Finding[] = state.refusingDatabases.map((name) => ({
    level: 'warning',
    subject: `database ${quoted(name)}`,
    message: 'refuses connections, so a logical backup leaves it out',
    code: null,
    mend: `ALTER DATABASE ${quoted(name)} ALLOW_CONNECTIONS true`,
  }));
  if (!state.isSuperuser && !state.canReadAll)
    findings.push({
      level: 'failed',
      subject: role,
      message: 'may not read every table',
      code: 'ACCESS_DENIED',
      mend: `GRANT pg_read_all_data TO ${quoted(state.user)}`,
    });
  if (!state.isSuperuser)
    findings.push({
      level: 'warning',
      subject: role,
      message: "may not read the roles' passwords: they are not in a logical backup",
      code: null,
      mend: `ALTER ROLE ${quoted(state.user)} SUPERUSER`,
    });
  return findings;
}

function judgePhysical(state: ServerState): Finding[] {
  const problem = (subject: string, message: string, mend: string, code: string): Finding => ({
    level: 'failed',
    subject,
    message,
    code,
    mend,
  });
  const findings: Finding[] = [];
  if (!state.isSuperuser && !state.canReplicate)
    findings.push(
      problem(
        `role ${quoted(state.user)}`,
        'may not replicate, which a base backup needs',
        `ALTER ROLE ${quoted(state.user)} REPLICATION`,
        'ACCESS_DENIED',
      ),
    );
  if (state.walLevel === 'minimal')
    findings.push(
      problem('wal_level', 'is minimal', "ALTER SYSTEM SET wal_level = 'replica', then restart", 'VERSION_UNFIT'),
    );
  if (state.maxWalSenders - state.usedWalSenders < 1)
    findings.push(
      problem(
        'max_wal_senders',
        `all ${state.maxWalSenders} are used`,
        `ALTER SYSTEM SET max_wal_senders = ${state.usedWalSenders + 5}, then restart`,
        'STORE_UNREACHABLE',
      ),
    );
  if (state.maxSlots - state.usedSlots < 1)
    findings.push(
      problem(
        'max_replication_slots',
        `all ${state.maxSlots} are used, and a base backup keeps its WAL with a temporary one`,
        `ALTER SYSTEM SET max_replication_slots = ${state.usedSlots + 5}, then restart`,
        'STORE_UNREACHABLE',
      ),
    );
  return findings;
}

function judgeIncremental({ versionNumber, summarizesWal }: ServerState): Finding[] {
  const failed = (subject: string, message: string, code: string, mend: string): Finding[] => [
    { level: 'failed', subject, message, code, mend },
  ];
  if (versionNumber < 170_000)
    return failed('PostgreSQL', 'is older than 17: it takes no incremental base backups', 'VERSION_UNFIT', KIND);
  if (!summarizesWal) return failed('summarize_wal', 'is off: nobody knows what changed', 'STORE_UNFIT', SUMMARIZE);
  return [];
}

const KIND = 'dr backup postgres --kind physical';
const SUMMARIZE = 'ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf()';

function judgeRestore(state: ServerState): Finding[] {
  const findings: Finding[] = state.collationMismatches.map((name) => ({
    level: 'warning',
    subject: `database ${quoted(name)}`,
    message: 'was made with another version of the locale library: indexes on text may be out of order',
    code: null,
    mend: `REINDEX DATABASE ${quoted(name)}; ALTER DATABASE ${quoted(name)} REFRESH COLLATION VERSION`,
  }));
  if (!state.hasService || !state.hasDataDirectory)
    findings.push({
      level: 'warning',
      subject: 'configuration',
      message: 'a base backup cannot be restored in place: dataDirectory or service is not given',
      code: null,
      mend: 'set postgres.dataDirectory and postgres.service of the site',
    });
  return findings;
}
