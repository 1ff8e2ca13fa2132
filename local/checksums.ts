// Independent counts and checksums of everything a site holds, made without Holdfast's own code: they show that a
// restore brought it all back.
import { isDeepStrictEqual } from 'node:util';
import { fileChecksums } from './checksums/file-checksums.ts';
import { postgresChecksums } from './checksums/postgres-checksums.ts';
import { rabbitmqChecksums } from './checksums/rabbitmq-checksums.ts';
import { redisChecksums } from './checksums/redis-checksums.ts';
import type { RunningSite } from './site.ts';

/** What is there, by system and by name; each value is a small record of a count and a checksum. */
export type Checksums = Readonly<Record<ChecksumSystem, Readonly<Record<string, object>>>>;
export type ChecksumSystem = 'postgres' | 'redis' | 'rabbitmq' | 'config' | 'tls';

/** Reads one system of a site. Takes no message from any queue. */
export function systemChecksums(site: RunningSite, system: ChecksumSystem): Promise<Readonly<Record<string, object>>> {
  const { access } = site;
  const readers = {
    postgres: () => postgresChecksums(access.postgres),
    redis: () => redisChecksums(access.redis),
    rabbitmq: () => rabbitmqChecksums(access.rabbitmq),
    config: () => fileChecksums(site.configDirectory),
    tls: () => fileChecksums(site.tlsDirectory),
  };
  return readers[system]();
}

/** Reads everything of a site. Takes no message from any queue. */
export async function siteChecksums(site: RunningSite): Promise<Checksums> {
  const read = (system: ChecksumSystem) => systemChecksums(site, system);
  const [postgres, redis, rabbitmq, config, tls] = await Promise.all([
    read('postgres'),
    read('redis'),
    read('rabbitmq'),
    read('config'),
    read('tls'),
  ]);
  return { postgres, redis, rabbitmq, config, tls };
}

/** One line for each thing that is not the same on both sides, naming it; empty when all is the same. */
export function differences(before: Checksums, after: Checksums): string[] {
  return (Object.keys(before) as ChecksumSystem[]).flatMap((system) =>
    namesOf(before[system], after[system]).flatMap((name) => {
      const [left, right] = [before[system][name], after[system][name]];
      return isDeepStrictEqual(left, right) ? [] : [`${system} ${name}: ${told(left)} before, ${told(right)} now`];
    }),
  );
}

/** The same between two sites: each has an authority of its own beside its certificates, whose key belongs to no system. */
export const siteDifferences = (before: Checksums, after: Checksums): string[] =>
  differences(before, after).filter((line) => !line.startsWith('tls authority.key'));

const namesOf = (left: object, right: object) => [...new Set([...Object.keys(left), ...Object.keys(right)])].sort();

const SHOWN_CHARACTERS = 12;

function told(value: object | undefined): string {
  if (value === undefined) return 'missing';
  return Object.entries(value)
    .filter(([, fact]) => fact !== null)
    .map(([name, fact]) => `${name} ${shortened(String(fact))}`)
    .join(', ');
}

// A checksum is told by its beginning; two that differ only later are told apart by the word before and now.
const shortened = (fact: string) => (fact.length > SHOWN_CHARACTERS ? `${fact.slice(0, SHOWN_CHARACTERS)}…` : fact);
