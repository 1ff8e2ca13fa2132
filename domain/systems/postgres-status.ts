// How a PostgreSQL server is, from figures that it tells about itself.
import type { StatusLine } from '../contracts/system-status.ts';
import { counted, formatBytes, formatSeconds } from '../quantities.ts';

export interface PostgresDatabase {
  readonly name: string;
  readonly bytes: number | null;
  /** Null when the database did not answer, and why. */
  readonly tables: number | null;
  /** The server's own estimate: exact counts would read every row. */
  readonly estimatedRows: number | null;
  /** Tables that were never analysed: their rows are estimated from what was written since the server started. */
  readonly unanalysed: number | null;
  readonly unseen: string | null;
}

export interface PostgresReplica {
  readonly name: string;
  readonly state: string;
  readonly lagBytes: number | null;
  readonly lagSeconds: number | null;
}

export interface PostgresFigures {
  readonly version: string;
  readonly timeline: number;
  readonly inRecovery: boolean;
  readonly connections: number;
  readonly maxConnections: number;
  readonly databases: readonly PostgresDatabase[];
  readonly leftOut: number;
  readonly replicas: readonly PostgresReplica[];
  /** Of a replica: seconds since the last transaction it replayed while its primary wrote on; null at a primary. */
  readonly replayLagSeconds: number | null;
  /** Of a replica: what its receiver of WAL says; null when there is none. */
  readonly receiver: string | null;
  readonly slots: readonly { readonly name: string; readonly active: boolean; readonly retainedBytes: number }[];
  /** True when the newest attempt to archive WAL failed; null when nothing is archived. */
  readonly archivingFails: boolean | null;
}

/** A replica further behind than this is told. */
const LAG_SECONDS = 60;
const LAG_BYTES = 256 * 1024 ** 2;
const RETAINED_BYTES = 1024 ** 3;
const CONNECTIONS_SHARE = 0.9;

/** Everything worth telling about the server, worst not first: in the order of reading. */
export function judgePostgres(figures: PostgresFigures): readonly StatusLine[] {
  return [
    serverLine(figures),
    connectionsLine(figures),
    ...figures.databases.map(databaseLine),
    ...leftOutLine(figures),
    ...(figures.inRecovery ? [receiverLine(figures)] : []),
    ...figures.replicas.map(replicaLine),
    ...figures.slots.flatMap(slotLine),
    ...archiveLine(figures),
  ];
}

const line = (level: StatusLine['level'], subject: string, message: string, mend?: string): StatusLine => ({
  ...{ level, subject, message, code: null },
  ...(mend === undefined ? {} : { mend }),
});

function serverLine({ version, timeline, inRecovery }: PostgresFigures): StatusLine {
  const role = inRecovery ? 'replica (in recovery)' : 'primary';
  return line('ok', 'server', `answers; ${version}, ${role}, timeline ${timeline}`);
}

function connectionsLine({ connections, maxConnections }: PostgresFigures): StatusLine {
  const isFull = connections >= maxConnections * CONNECTIONS_SHARE;
  return line(isFull ? 'warning' : 'ok', 'connections', `${connections} of ${maxConnections}`);
}

function databaseLine({ name, bytes, tables, estimatedRows, unanalysed, unseen }: PostgresDatabase): StatusLine {
  const subject = `database "${name}"`;
  const size = bytes === null ? 'of unknown size' : formatBytes(bytes);
  if (unseen !== null || tables === null) return line('unknown', subject, `${size}; its tables: ${unseen}`);
  const rough = unanalysed ? ` (${counted(unanalysed, 'table')} never analysed)` : '';
  return line(
    'ok',
    subject,
    `${size}, ${counted(tables, 'table')}, about ${estimatedRows} rows by the server's estimate${rough}`,
  );
}

function leftOutLine({ leftOut }: PostgresFigures): StatusLine[] {
  return leftOut === 0 ? [] : [line('unknown', 'other databases', `${leftOut} more were not looked into`)];
}

function receiverLine({ receiver, replayLagSeconds }: PostgresFigures): StatusLine {
  const lag = replayLagSeconds === null ? 'lag unknown' : `${formatSeconds(replayLagSeconds)} behind`;
  if (receiver !== 'streaming')
    return line('warning', 'replication', `receives nothing (${receiver ?? 'no receiver'}), ${lag}`);
  const level = replayLagSeconds === null ? 'unknown' : replayLagSeconds > LAG_SECONDS ? 'warning' : 'ok';
  return line(level, 'replication', `receives, ${lag}`);
}

function replicaLine({ name, state, lagBytes, lagSeconds }: PostgresReplica): StatusLine {
  const subject = `replica "${name}"`;
  const behind = lagBytes === null ? 'lag unknown' : `${formatBytes(lagBytes)} behind`;
  const time = lagSeconds === null ? '' : `, ${formatSeconds(lagSeconds)}`;
  const isLate = (lagBytes ?? 0) > LAG_BYTES || (lagSeconds ?? 0) > LAG_SECONDS;
  // A base backup that is being taken is a sender too.
  const isFit = state === 'streaming' || state === 'backup';
  return line(
    !isFit || isLate ? 'warning' : lagBytes === null ? 'unknown' : 'ok',
    subject,
    `${state}, ${behind}${time}`,
  );
}

function slotLine({ name, active, retainedBytes }: PostgresFigures['slots'][number]): StatusLine[] {
  const subject = `replication slot "${name}"`;
  const message = `${active ? 'in use' : 'unused'}, holds ${formatBytes(retainedBytes)} of WAL`;
  if (active || retainedBytes < RETAINED_BYTES) return [line('ok', subject, message)];
  const mend = 'drop it when nothing needs it: it fills the disk';
  return [line('warning', subject, message, mend)];
}

function archiveLine({ archivingFails }: PostgresFigures): StatusLine[] {
  if (archivingFails === null) return [];
  const message = archivingFails ? 'the newest attempt to archive failed' : 'is archived';
  return [line(archivingFails ? 'warning' : 'ok', 'WAL archive', message)];
}
