// What part of a system a restore means, from the options of the command line.
import type { RestoreScope } from '../domain/contracts/protected-system.ts';
import { Failure } from '../domain/failures.ts';
import { type RestoreScopeKind, SYSTEMS, type SystemName } from '../domain/systems.ts';
import type { CallOptions } from './command.ts';

/** The scope that the options name. @throws {Failure} USAGE when they contradict each other or the system. */
export function chosenScope(system: SystemName, options: CallOptions): RestoreScope {
  const scope = namedScope(options);
  const known = new Set(SYSTEMS[system].kinds.flatMap(({ restores }) => restores));
  if (known.has(scope.kind)) return scope;
  throw new Failure('USAGE', `${system} cannot restore a ${scope.kind}: it restores ${[...known].join(', ')}`);
}

function namedScope(options: CallOptions): RestoreScope {
  const given = (['table', 'pattern', 'queue', 'file'] as const).filter((name) => options.text(name) !== undefined);
  if (given.length > 1) throw new Failure('USAGE', `give one of ${given.map((name) => `--${name}`).join(', ')}`);
  const [kind] = given;
  if (kind !== undefined) return { kind, names: SCOPES[kind](options, options.text(kind) ?? '') };
  const database = options.text('database');
  return database === undefined ? { kind: 'whole', names: {} } : { kind: 'database', names: { database } };
}

type PartKind = Exclude<RestoreScopeKind, 'whole' | 'database'>;

const SCOPES: Readonly<Record<PartKind, (options: CallOptions, name: string) => Record<string, string>>> = {
  table: tableNames,
  pattern: patternNames,
  queue: (options, queue) => ({ queue, vhost: options.text('vhost') ?? '/' }),
  file: (_, path) => ({ path }),
};

// Without a database the pattern is looked for in all of them.
function patternNames(options: CallOptions, pattern: string): Record<string, string> {
  const database = options.text('database');
  return database === undefined ? { pattern } : { pattern, database };
}

function tableNames(options: CallOptions, name: string): Record<string, string> {
  const database = options.text('database');
  if (database === undefined) throw new Failure('USAGE', 'a table is in a database: give --database too');
  const schema = options.text('schema');
  if (schema !== undefined) return { database, schema, table: name };
  const dot = name.indexOf('.');
  return dot < 0
    ? { database, schema: 'public', table: name }
    : { database, schema: name.slice(0, dot), table: name.slice(dot + 1) };
}

/** The system's own choices: `--option name=value`, and the kind. @throws {Failure} USAGE. */
export function chosenOptions(options: CallOptions): Record<string, string> {
  const kind = options.text('kind');
  const pairs = options.list('option').map((word) => {
    const at = word.indexOf('=');
    if (at < 1) throw new Failure('USAGE', `'${word}' is not NAME=VALUE`);
    return [word.slice(0, at), word.slice(at + 1)] as const;
  });
  return { ...(kind === undefined ? {} : { kind }), ...Object.fromEntries(pairs) };
}
