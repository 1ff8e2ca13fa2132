// Which backups a recovery takes: the options that `dr recover` and `dr failover` share.

import { systemsOf } from '../domain/configuration/protection.ts';
import type { Configuration } from '../domain/configuration/schema.ts';
import { duration, durationMs } from '../domain/configuration/values.ts';
import { Failure } from '../domain/failures.ts';
import { isSystemName, kindOf, SYSTEMS, type SystemName } from '../domain/systems.ts';
import type { RecoverPlatformInput } from '../workflows/messages.ts';
import type { CallOptions, OptionSpec } from './command.ts';
import { requireSystem } from './commands/backup.ts';
import { visible } from './output/human.ts';

/** How each system is taken and restored. */
export const CHOICE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--kind <system=kind>',
    description: 'take this kind of a system, for example postgres=logical (may be repeated)',
    repeatable: true,
  },
  {
    flags: '--option <system.name=value>',
    description: "a system's own choice of a restore, for example redis.ttl=floor (may be repeated)",
    repeatable: true,
  },
];

/** Those, and which of the stored backups are taken. */
export const WISH_OPTIONS: readonly OptionSpec[] = [
  { flags: '--at <time>', description: 'the newest backups from this time or before, for example 2026-11-23T04:00Z' },
  {
    flags: '--max-spread <duration>',
    description: 'how far apart the moments of the stores may be; default: objectives.platform.spread',
  },
  { flags: '--unproven', description: 'take stored backups too that were never proven by a restore' },
  ...CHOICE_OPTIONS,
];

type Wish = Pick<RecoverPlatformInput, 'at' | 'unproven' | 'kinds' | 'options' | 'maxSpreadSeconds'>;

/** What the options and the objectives say about the recovery set. @throws {Failure} USAGE. */
export function wishOf(options: CallOptions, { objectives }: Configuration): Wish {
  return {
    at: timeOf(options.text('at')),
    maxSpreadSeconds: secondsOf(options.text('maxSpread') ?? objectives.platform.spread),
    unproven: options.flag('unproven'),
    kinds: Object.fromEntries(options.list('kind').map(kindChoice)),
    options: optionsOf(options.list('option')),
  };
}

/** `--target postgres=7312…`: what stores are now that were built anew. @throws {Failure} USAGE. */
export function identitiesOf(words: readonly string[]): NonNullable<RecoverPlatformInput['identities']> {
  return Object.fromEntries(
    words.map((word) => {
      const [, system = '', identity = ''] = /^([a-z]+)=(.+)$/s.exec(word) ?? [];
      if (!isSystemName(system)) throw new Failure('USAGE', `'${visible(word)}' is not SYSTEM=IDENTITY`);
      return [system, identity];
    }),
  );
}

/** The systems that the words name, or all that the site has. @throws {Failure} USAGE. */
export function systemsNamed(words: readonly string[], configuration: Configuration, site: string): SystemName[] {
  const there = systemsOf(configuration, site);
  return words.length === 0 ? [...there] : [...new Set(words.map((word) => requireSystem(word, there)))];
}

function timeOf(word: string | undefined): string | null {
  if (word === undefined) return null;
  const time = Date.parse(word);
  // Without a zone it would mean another moment on every machine.
  if (Number.isNaN(time) || !/(Z|[+-]\d\d:?\d\d)$/i.test(word))
    throw new Failure('USAGE', `'${visible(word)}' is not a time with its zone, for example 2026-11-23T04:00Z`);
  return new Date(time).toISOString();
}

function secondsOf(word: string | undefined): number | null {
  if (word === undefined) return null;
  if (!duration.safeParse(word).success)
    throw new Failure('USAGE', `--max-spread '${visible(word)}' is not a duration, for example 15min`);
  return durationMs(word) / 1000;
}

function kindChoice(word: string): readonly [SystemName, string] {
  const [system = '', kind = ''] = word.split('=');
  if (isSystemName(system) && kindOf(system, kind)?.restores.includes('whole')) return [system, kind];
  const known = isSystemName(system)
    ? `: ${system} has ${SYSTEMS[system].kinds.map((one) => one.kind).join(', ')}`
    : '';
  throw new Failure('USAGE', `'${visible(word)}' is not SYSTEM=KIND${known}`);
}

function optionsOf(words: readonly string[]): RecoverPlatformInput['options'] {
  const chosen: Partial<Record<SystemName, Record<string, string>>> = {};
  for (const word of words) {
    const [, system = '', name = '', value = ''] = /^([a-z]+)\.([A-Za-z]+)=(.*)$/s.exec(word) ?? [];
    if (!isSystemName(system)) throw new Failure('USAGE', `'${visible(word)}' is not SYSTEM.NAME=VALUE`);
    chosen[system] = { ...chosen[system], [name]: value };
  }
  return chosen;
}
