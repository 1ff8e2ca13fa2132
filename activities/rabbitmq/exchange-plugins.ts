// Plugins that only add a type of exchange: an isolated broker may have them, because they move nothing on their own and
// reach nobody. All others (shovel, federation, sharding, which makes queues) stay out of it.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Definitions } from '../../domain/systems/rabbitmq-definitions.ts';
import { brokerPrograms } from './isolated-node.ts';
import type { Management } from './management.ts';

const PLUGIN_OF_TYPE: ReadonlyMap<string, string> = new Map([
  ['x-consistent-hash', 'rabbitmq_consistent_hash_exchange'],
  ['x-jms-topic', 'rabbitmq_jms_topic_exchange'],
  ['x-random', 'rabbitmq_random_exchange'],
  ['x-recent-history', 'rabbitmq_recent_history_exchange'],
]);

/** Those that the definitions need and that are installed beside the worker. */
export async function exchangePlugins(definitions: Definitions, binDirectory: string | undefined): Promise<string[]> {
  const types = new Set((definitions.exchanges ?? []).map(({ type }) => String(type)));
  const wanted = [...PLUGIN_OF_TYPE].filter(([type]) => types.has(type)).map(([, plugin]) => plugin);
  if (wanted.length === 0) return [];
  const installed = await pluginFiles(brokerPrograms(binDirectory));
  return wanted.filter((plugin) => installed.some((file) => file.startsWith(`${plugin}-`)));
}

async function pluginFiles(programs: string): Promise<string[]> {
  const lib = join(programs, '..', 'lib');
  const releases = await readdir(lib).catch(() => []);
  const folders = [join(programs, '..', 'plugins'), ...releases.map((name) => join(lib, name, 'plugins'))];
  return (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat();
}

/** Exchanges of a type that this broker does not know: an import stops half done at the first of them. */
export async function unknownExchanges(management: Management, { exchanges = [] }: Definitions) {
  const { exchange_types } = await management.get<{ exchange_types: readonly { name: string }[] }>('/api/overview');
  const known = new Set(exchange_types.map(({ name }) => name));
  return exchanges.filter(({ type }) => !known.has(String(type)));
}
