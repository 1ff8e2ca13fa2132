// How a restore of Redis goes, as data: which way, which steps, what a person must know before agreeing.
import type { RestoreRequest, RestoreStep } from '../contracts/protected-system.ts';
import { Failure } from '../failures.ts';

/**
 * `scratch`: load, compare, read out. `inPlace`: the store's files are exchanged while it stands still. `keys`: key by
 * key through a scratch server, without file access.
 */
export type RestoreMode = 'scratch' | 'inPlace' | 'keys';

const OPTIONS: Readonly<Record<string, readonly string[] | null>> = {
  kind: null,
  form: ['rdb', 'aof'],
  ttl: ['absolute', 'shift', 'floor'],
  ttlFloorSeconds: null,
  method: ['files', 'keys'],
  surplus: ['keep', 'remove'],
  functions: ['keep', 'restore'],
  acl: ['keep', 'restore'],
  configuration: ['keep', 'restore'],
};

/** @throws {Failure} USAGE for an option or value that is not known, or a scope that Redis does not have. */
export function requireKnownRequest({ scope, options }: RestoreRequest): void {
  for (const [name, value] of Object.entries(options)) {
    const allowed = OPTIONS[name];
    if (allowed === undefined) throw new Failure('USAGE', `redis has no restore option '${name}'`);
    if (allowed !== null && !allowed.includes(value))
      throw new Failure('USAGE', `'${name}' is ${allowed.join(' or ')}, not '${value}'`);
  }
  if (scope.kind !== 'whole' && scope.kind !== 'pattern')
    throw new Failure('USAGE', `redis restores the whole store or a pattern of keys, not a ${scope.kind}`);
}

/** Keys that the scope names: a glob and one database, or all of them (null). @throws {Failure} USAGE. */
export function selectionOf({ scope }: RestoreRequest): { readonly database: number | null; readonly pattern: string } {
  const { pattern = scope.kind === 'whole' ? '*' : '', database } = scope.names;
  if (pattern === '') throw new Failure('USAGE', 'a restore by pattern needs the pattern, for example session:*');
  if (database !== undefined && !/^\d{1,5}$/.test(database))
    throw new Failure('USAGE', `a database is a number, not '${database}'`);
  return { pattern, database: database === undefined ? null : Number(database) };
}

/** Which way is taken. @throws {Failure} NO_FILE_ACCESS when files are asked for and cannot be reached. */
export function modeOf(request: RestoreRequest, hasFilesAndService: boolean): RestoreMode {
  if (request.target === 'scratch') return 'scratch';
  if (request.options.method === 'files' && !hasFilesAndService)
    throw new Failure('NO_FILE_ACCESS', "the configuration names no 'dataDirectory' and 'service' for Redis");
  const byFiles = request.scope.kind === 'whole' && hasFilesAndService && request.options.method !== 'keys';
  return byFiles ? 'inPlace' : 'keys';
}

const NOTHING_TOUCHED = 'nothing live was touched yet';
const WORKS = 'the store serves; what was replaced is kept';

const STEPS = {
  load: step('load', 'Load the backup into a scratch server and compare its counts', false, NOTHING_TOUCHED),
  read: step('read', 'Read every key out of the scratch server', false, NOTHING_TOUCHED),
  stop: step('stop', 'Save and stop the store', true, 'the store stands still: applications fail until it is started'),
  place: step('place', 'Move the old files aside and place the new ones', true, 'the store stands still'),
  start: step('start', 'Start the store and wait until it has loaded', true, 'the store may stand still'),
  write: step(
    'write',
    'Write the keys, noting down what each replaces',
    true,
    'some keys are restored, others not yet',
  ),
  remove: step('remove', 'Remove the keys that the backup does not have', true, WORKS),
  compare: step('compare', 'Compare every key of the live store with the backup', false, WORKS),
  functions: step('functions', 'Restore the functions', true, WORKS),
  acl: step('acl', 'Restore the accounts', true, WORKS),
  configuration: step('configuration', 'Restore the settings', true, WORKS),
} as const satisfies Record<string, RestoreStep>;

export type RedisStepId = keyof typeof STEPS;

function step(id: string, title: string, hasUndo: boolean, safeToLeave: string): RestoreStep {
  return { id, title, skippable: false, hasUndo, safeToLeave };
}

/** The steps of a restore, in order. */
export function stepsOf(mode: RestoreMode, options: Readonly<Record<string, string>>): readonly RestoreStep[] {
  const ways: Record<RestoreMode, readonly RedisStepId[]> = {
    scratch: ['load', 'read'],
    inPlace: ['load', 'read', 'stop', 'place', 'start', 'compare'],
    keys: ['load', 'read', 'write', ...(options.surplus === 'remove' ? (['remove'] as const) : []), 'compare'],
  };
  const extras = (['functions', 'acl', 'configuration'] as const).filter(
    (name) => mode !== 'scratch' && options[name] === 'restore' && !(mode === 'inPlace' && name === 'functions'),
  );
  return [...ways[mode], ...extras].map((id) => STEPS[id]);
}

/** Settings that say where a server is and whom it trusts: those of the place stay, whatever a backup holds. */
const OF_THE_PLACE =
  /^(dir|port|bind.*|pidfile|logfile|unixsocket.*|dbfilename|append(file|dir)name|aclfile|requirepass|master(auth|user)|tls-.*|(replica|slave)of|(replica|slave)-announce-.*|cluster-.*|save-.*|daemonize|supervised|syslog-.*|server_cpulist|.*_cpulist|databases|io-threads.*|loadmodule|enable-.*|port|protected-mode)$/;

/** Names of settings that differ and may be carried over. */
export function differingSettings(
  backup: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): readonly string[] {
  return Object.keys(backup)
    .filter((name) => name in now && now[name] !== backup[name] && !OF_THE_PLACE.test(name))
    .sort();
}
