// How a Redis server is, from what `INFO` says.
import type { StatusLine } from '../contracts/system-status.ts';
import { counted, formatBytes, formatSeconds } from '../quantities.ts';

export interface RedisFigures {
  readonly version: string;
  readonly role: string;
  readonly isCluster: boolean;
  readonly loading: boolean;
  readonly keys: Readonly<Record<string, number>>;
  readonly usedBytes: number;
  /** 0: no limit of its own. */
  readonly maxBytes: number;
  readonly evictedKeys: number;
  readonly clients: number;
  readonly replicas: readonly RedisReplica[];
  /** Of a replica: whether it hears its primary, and for how long it did not. */
  readonly link: { readonly up: boolean; readonly silentSeconds: number } | null;
  /** True when the newest attempt to write to the disk failed. */
  readonly savingFails: boolean;
}

export interface RedisReplica {
  readonly address: string;
  readonly state: string;
  /** Seconds since it was last heard of. */
  readonly lagSeconds: number | null;
}

const MEMORY_SHARE = 0.9;
const LAG_SECONDS = 10;

/** Reads the fields of `INFO`. */
export function redisFigures(info: Readonly<Record<string, string>>): RedisFigures {
  const number = (name: string) => Number(info[name] ?? 0);
  const databases = Object.entries(info).filter(([name]) => /^db\d+$/.test(name));
  const keysIn = (text: string) => Number(/keys=(\d+)/.exec(text)?.[1] ?? 0);
  return {
    version: info.redis_version ?? 'unknown',
    role: info.role ?? 'unknown',
    isCluster: info.cluster_enabled === '1',
    loading: info.loading === '1',
    keys: Object.fromEntries(databases.map(([name, text]) => [name.slice(2), keysIn(text)])),
    usedBytes: number('used_memory'),
    maxBytes: number('maxmemory'),
    evictedKeys: number('evicted_keys'),
    clients: number('connected_clients'),
    replicas: Object.entries(info).flatMap(([name, text]) => (/^slave\d+$/.test(name) ? [replicaOf(text)] : [])),
    link:
      info.role === 'slave'
        ? { up: info.master_link_status === 'up', silentSeconds: number('master_last_io_seconds_ago') }
        : null,
    savingFails: info.rdb_last_bgsave_status === 'err' || info.aof_last_write_status === 'err',
  };
}

function replicaOf(text: string): RedisReplica {
  const fields = Object.fromEntries(text.split(',').map((part) => part.split('=', 2) as [string, string]));
  const lag = fields.lag === undefined ? null : Number(fields.lag);
  return { address: `${fields.ip}:${fields.port}`, state: fields.state ?? 'unknown', lagSeconds: lag };
}

/** Everything worth telling about the server, in the order of reading. */
export function judgeRedis(figures: RedisFigures): readonly StatusLine[] {
  return [
    serverLine(figures),
    keysLine(figures),
    memoryLine(figures),
    ...figures.replicas.map(replicaLine),
    ...(figures.link === null ? [] : [linkLine(figures.link)]),
    ...(figures.savingFails ? [line('failed', 'disk', 'the newest attempt to write to the disk failed')] : []),
  ];
}

const line = (level: StatusLine['level'], subject: string, message: string): StatusLine => ({
  ...{ level, subject, message, code: null },
});

function serverLine({ version, role, isCluster, loading, clients }: RedisFigures): StatusLine {
  const name = role === 'master' ? 'primary' : role === 'slave' ? 'replica' : role;
  const cluster = isCluster ? ', a node of a cluster' : '';
  if (loading) return line('warning', 'server', `${version} is loading its data: it serves nobody yet`);
  return line('ok', 'server', `answers; ${version}, ${name}${cluster}, ${counted(clients, 'client')}`);
}

function keysLine({ keys }: RedisFigures): StatusLine {
  const total = Object.values(keys).reduce((sum, one) => sum + one, 0);
  const parts = Object.entries(keys).map(([database, count]) => `${count} in ${database}`);
  return line('ok', 'keys', parts.length > 1 ? `${total} (${parts.join(', ')})` : `${total}`);
}

function memoryLine({ usedBytes, maxBytes, evictedKeys }: RedisFigures): StatusLine {
  const limit = maxBytes === 0 ? 'no limit of its own' : `of at most ${formatBytes(maxBytes)}`;
  const evicted = evictedKeys === 0 ? '' : `, ${evictedKeys} keys evicted since its start`;
  const isFull = maxBytes > 0 && usedBytes > maxBytes * MEMORY_SHARE;
  return line(isFull || evictedKeys > 0 ? 'warning' : 'ok', 'memory', `${formatBytes(usedBytes)}, ${limit}${evicted}`);
}

function replicaLine({ address, state, lagSeconds }: RedisReplica): StatusLine {
  const lag = lagSeconds === null ? 'lag unknown' : `heard ${formatSeconds(lagSeconds)} ago`;
  const isFit = state === 'online' && lagSeconds !== null && lagSeconds <= LAG_SECONDS;
  return line(isFit ? 'ok' : 'warning', `replica ${address}`, `${state}, ${lag}`);
}

function linkLine({ up, silentSeconds }: NonNullable<RedisFigures['link']>): StatusLine {
  const message = up ? `hears its primary, ${formatSeconds(silentSeconds)} ago` : 'does not hear its primary';
  return line(up && silentSeconds <= LAG_SECONDS ? 'ok' : 'warning', 'replication', message);
}
