// The protected systems and what each can do, as data: workflows, the CLI and the planner read this table and never
// branch on a system's name. Adding a system starts with one line here.

export const SYSTEM_NAMES = ['postgres', 'redis', 'rabbitmq', 'config', 'tls'] as const;
export type SystemName = (typeof SYSTEM_NAMES)[number];

/** What a restore brings back: everything, or one named part of the system. */
export type RestoreScopeKind = 'whole' | 'database' | 'table' | 'pattern' | 'queue' | 'file';

/** How a backup of a system is taken. A system may have several kinds; each is a backup of its own. */
export interface KindCapability {
  readonly kind: string;
  readonly title: string;
  /** Scopes a restore can take from this kind, best first. */
  readonly restores: readonly RestoreScopeKind[];
  /** True when the kind reads the store's files, not only its network interface. */
  readonly needsFileAccess: boolean;
  /** What of the store's data is not in it: then it cannot carry everything to another site. */
  readonly leavesOut?: string;
  /** Kinds whose backups one of this kind may rest on when it holds only what changed, and the longest chain allowed. */
  readonly restsOn?: { readonly kinds: readonly string[]; readonly most: number };
}

export interface SystemCapability {
  readonly name: SystemName;
  readonly title: string;
  readonly kinds: readonly KindCapability[];
  /** Kinds a platform backup takes when the configuration names none. */
  readonly defaultKinds: readonly string[];
  /** Defaults of the owner's objectives, in seconds. */
  readonly objective: { readonly rtoSeconds: number; readonly rpoSeconds: number };
  /** Interval of the default schedule in seconds; `null` when a watcher backs up on change instead. */
  readonly intervalSeconds: number | null;
  /** Artifacts are wrapped for the system's own recipients, not for the platform's. */
  readonly ownKeyDomain: boolean;
  /** What the store runs on can be stopped and started by Holdfast during a live restore. */
  readonly hasService: boolean;
  /** Systems that must be back before this one in a recovery: what reads or drives them comes later. */
  readonly recoversAfter: readonly SystemName[];
  /** Options of a restore at another site than the backup's, where a person asks for nothing else. */
  readonly optionsElsewhere?: Readonly<Record<string, string>>;
  /** Options besides, where nothing may be lost and nothing old may stay among what is restored. */
  readonly optionsWithoutLoss?: Readonly<Record<string, string>>;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const SYSTEMS: Readonly<Record<SystemName, SystemCapability>> = {
  postgres: {
    name: 'postgres',
    title: 'PostgreSQL',
    kinds: [
      {
        kind: 'logical',
        title: 'dump of every database',
        restores: ['whole', 'database', 'table'],
        needsFileAccess: false,
      },
      { kind: 'physical', title: 'base backup', restores: ['whole', 'table'], needsFileAccess: false },
      {
        kind: 'incremental',
        title: 'what changed since a base backup',
        restores: ['whole', 'table'],
        needsFileAccess: false,
        restsOn: { kinds: ['physical', 'incremental'], most: 24 },
      },
    ],
    defaultKinds: ['logical', 'physical'],
    objective: { rtoSeconds: HOUR, rpoSeconds: HOUR },
    intervalSeconds: HOUR,
    ownKeyDomain: false,
    hasService: true,
    recoversAfter: [],
  },
  redis: {
    name: 'redis',
    title: 'Redis',
    kinds: [
      { kind: 'rdb', title: 'snapshot over the wire', restores: ['whole', 'pattern'], needsFileAccess: false },
      { kind: 'aof', title: 'append-only files', restores: ['whole', 'pattern'], needsFileAccess: true },
    ],
    defaultKinds: ['rdb'],
    objective: { rtoSeconds: 30 * MINUTE, rpoSeconds: 15 * MINUTE },
    intervalSeconds: 15 * MINUTE,
    ownKeyDomain: false,
    hasService: true,
    recoversAfter: [],
  },
  rabbitmq: {
    name: 'rabbitmq',
    title: 'RabbitMQ',
    kinds: [
      {
        kind: 'messages',
        title: 'definitions and messages from a clone',
        restores: ['whole', 'queue'],
        needsFileAccess: true,
      },
      {
        kind: 'definitions',
        title: 'definitions only',
        restores: ['whole'],
        needsFileAccess: false,
        leavesOut: 'messages',
      },
    ],
    defaultKinds: ['messages'],
    objective: { rtoSeconds: 45 * MINUTE, rpoSeconds: HOUR },
    intervalSeconds: HOUR,
    ownKeyDomain: false,
    hasService: true,
    recoversAfter: ['postgres', 'redis'],
    // A site's broker has an administrator of its own, whose hashed password is another one: it stays.
    optionsElsewhere: { existing: 'keep' },
    optionsWithoutLoss: { fill: 'empty' },
  },
  config: {
    name: 'config',
    title: 'configuration',
    kinds: [{ kind: 'files', title: 'files by pattern', restores: ['whole', 'file'], needsFileAccess: true }],
    defaultKinds: ['files'],
    objective: { rtoSeconds: 2 * HOUR, rpoSeconds: DAY },
    intervalSeconds: DAY,
    ownKeyDomain: false,
    hasService: false,
    recoversAfter: ['postgres', 'redis', 'rabbitmq'],
  },
  tls: {
    name: 'tls',
    title: 'TLS certificates',
    kinds: [{ kind: 'files', title: 'certificates and keys', restores: ['whole', 'file'], needsFileAccess: true }],
    defaultKinds: ['files'],
    objective: { rtoSeconds: 2 * HOUR, rpoSeconds: 0 },
    intervalSeconds: null,
    ownKeyDomain: true,
    hasService: false,
    recoversAfter: ['postgres', 'redis', 'rabbitmq'],
  },
};

/** The capability of one kind of one system, or `undefined` when the system has no such kind. */
export function kindOf(system: SystemName, kind: string): KindCapability | undefined {
  return SYSTEMS[system].kinds.find((candidate) => candidate.kind === kind);
}

/** True when `text` names a protected system. */
export function isSystemName(text: string): text is SystemName {
  return (SYSTEM_NAMES as readonly string[]).includes(text);
}
