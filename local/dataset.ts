// A dataset of honest size for one site, the same for the same seed: PostgreSQL, Redis and RabbitMQ in parallel.
import { loadPostgres } from './dataset/postgres-data.ts';
import type { DatasetSize } from './dataset/progress.ts';
import { loadRabbitmq } from './dataset/rabbitmq-data.ts';
import { loadRedis } from './dataset/redis-data.ts';
import type { SiteAccess } from './site.ts';

export type LoadedStore = 'postgres' | 'redis' | 'rabbitmq';

export interface LoadOptions extends Partial<DatasetSize> {
  readonly onProgress?: (store: LoadedStore, done: number, total: number) => void;
}

/** At scale 1: about 400 MB in three databases, 200,000 keys in two, 50,000 messages in seven queues. Stores must be empty. */
export async function loadDataset(access: SiteAccess, options: LoadOptions = {}): Promise<void> {
  const size = { scale: options.scale ?? 1, seed: options.seed ?? 1 };
  const told = (store: LoadedStore) => (done: number, total: number) => options.onProgress?.(store, done, total);
  await Promise.all([
    loadPostgres(access.postgres, size, told('postgres')),
    loadRedis(access.redis, size, told('redis')),
    loadRabbitmq(access.rabbitmq, size, told('rabbitmq')),
  ]);
}
