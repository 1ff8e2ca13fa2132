// What the tiers hold, judged: is the newest backup of every kind there, in every tier, proven, and like those before it.
import type { Look, TierStatus } from '../contracts/status.ts';
import type { StatusLine } from '../contracts/system-status.ts';
import type { BackupSummary } from '../manifest.ts';
import { formatBytes, formatSeconds } from '../quantities.ts';
import type { SystemName } from '../systems.ts';
import { judgeCounts, judgeProof, judgeSize } from '../verification.ts';
import { linesOf } from './lines.ts';

type Tiers = Readonly<Record<string, Look<TierStatus>>>;

/** The backups of all tiers that could be read, newest first; unseen when none could. */
export function backupsIn(tiers: Tiers): Look<readonly BackupSummary[]> {
  const looks = Object.values(tiers);
  const seen = looks.flatMap((look) => ('seen' in look ? [look.seen] : []));
  const unseen = looks.find((look) => 'unseen' in look);
  if (seen.length === 0 && unseen) return unseen;
  const byName = new Map<string, BackupSummary>();
  for (const backup of seen.flatMap(({ telling }) => telling)) {
    const name = `${backup.system}/${backup.backupId}`;
    byName.set(name, provenLater(byName.get(name), backup));
  }
  return { seen: [...byName.values()].sort((a, b) => b.sequence - a.sequence) };
}

// A proof counts wherever it lies.
const provenLater = (known: BackupSummary | undefined, other: BackupSummary): BackupSummary =>
  known === undefined || (other.provenAt ?? '') > (known.provenAt ?? '') ? other : known;

export interface WantedBackups {
  readonly system: SystemName;
  readonly kinds: readonly string[];
}

export interface BackupLimits {
  readonly tiers: readonly string[];
  readonly proofLimitSeconds: number;
}

/** One line for the newest backup of each wanted kind, and one for whatever is odd about it. */
export function backupLines(
  look: Look<readonly BackupSummary[]>,
  wanted: readonly WantedBackups[],
  limits: BackupLimits,
  nowMs: number,
): readonly StatusLine[] {
  return linesOf('backups', look, (backups) =>
    wanted.flatMap(({ system, kinds }) =>
      kinds.flatMap((kind) => {
        const ofKind = backups.filter((one) => one.system === system && one.kind === kind);
        return linesOfKind(ofKind, { system, kind }, limits, nowMs);
      }),
    ),
  );
}

function linesOfKind(
  ofKind: readonly BackupSummary[],
  { system, kind }: { readonly system: SystemName; readonly kind: string },
  { tiers, proofLimitSeconds }: BackupLimits,
  nowMs: number,
): readonly StatusLine[] {
  const subject = `${system} ${kind}`;
  const [newest] = ofKind;
  if (newest === undefined) {
    const mend = `dr backup ${system}`;
    return [{ level: 'failed', subject, message: 'there is no backup', code: 'BACKUP_ABSENT', mend }];
  }
  const lacking = tiers.filter((tier) => !newest.tiers.includes(tier));
  const where = `in ${newest.tiers.join(' + ')}${lacking.length > 0 ? `, not in ${lacking.join(', ')}` : ''}`;
  const age = formatSeconds(Math.max(0, nowMs - Date.parse(newest.momentAt)) / 1000);
  const size = `${formatBytes(newest.plainBytes)}, stored as ${formatBytes(newest.storedBytes)}`;
  const message = `${newest.backupId}, ${age} old, ${newest.standing}, ${size}, ${where}`;
  const odd = [
    judgeSize(ofKind, newest),
    judgeCounts(ofKind, newest),
    ...judgeProof(ofKind, system, proofLimitSeconds, nowMs),
  ];
  return [
    { level: lacking.length > 0 ? 'warning' : 'ok', subject, message, code: null },
    ...odd.filter(({ level }) => level !== 'ok'),
  ];
}

/** One line a tier: what it holds, and when it was last stored into. */
export function tierLines(tiers: Tiers, nowMs: number): readonly StatusLine[] {
  return Object.entries(tiers).flatMap(([name, look]) =>
    linesOf(`tier ${name}`, look, (tier) => [tierLine(tier, nowMs)]),
  );
}

function tierLine({ name, kind, freeBytes, stored, telling }: TierStatus, nowMs: number): StatusLine {
  const newest = telling.toSorted((a, b) => b.sequence - a.sequence)[0];
  const last = newest && formatSeconds(Math.max(0, nowMs - Date.parse(newest.sealedAt)) / 1000);
  const held = newest === undefined ? 'holds no backup yet' : `${stored} backups, stored into ${last} ago`;
  const free = freeBytes === null ? '' : `, ${formatBytes(freeBytes)} free`;
  return { level: 'ok', subject: `tier ${name}`, message: `${kind}, answers; ${held}${free}`, code: null };
}
