// What the demo destroys, and the command that brings each back.
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { SystemName } from '../../domain/systems.ts';
import { withDatabase } from '../dataset/postgres-data.ts';
import { manage } from '../dataset/rabbitmq-data.ts';
import { withRedis } from '../dataset/redis-data.ts';
import type { RunningSite } from '../site.ts';

export interface Loss {
  readonly system: SystemName;
  /** What the reader sees happen, as they would do it by hand. */
  readonly act: string;
  readonly destroy: (site: RunningSite) => Promise<void>;
  /** Words after `dr restore`; the platform's name is added. */
  readonly restore: readonly string[];
}

export const DRAINED = { vhost: 'agents', queue: 'tasks' } as const;

export const LOSSES: readonly Loss[] = [
  {
    system: 'postgres',
    act: 'DROP TABLE app.orders (database billing)',
    destroy: ({ access }) =>
      withDatabase(access.postgres, 'billing', async (client) => void (await client.query('drop table app.orders'))),
    restore: ['postgres', '--database', 'billing', '--table', 'app.orders'],
  },
  {
    system: 'redis',
    act: 'FLUSHALL',
    destroy: ({ access }) => withRedis(access.redis, async (redis) => void (await redis.flushall())),
    restore: ['redis'],
  },
  {
    system: 'rabbitmq',
    act: `delete queue ${DRAINED.queue} (vhost ${DRAINED.vhost})`,
    destroy: async ({ access }) =>
      void (await manage(access.rabbitmq, 'DELETE', `queues/${DRAINED.vhost}/${DRAINED.queue}`)),
    restore: ['rabbitmq', '--vhost', DRAINED.vhost, '--queue', DRAINED.queue],
  },
  {
    system: 'config',
    act: 'rm orchestrator/.env',
    destroy: ({ configDirectory }) => unlink(join(configDirectory, 'orchestrator', '.env')),
    restore: ['config', '--file', 'orchestrator/.env'],
  },
  {
    system: 'tls',
    act: 'rm gateway.crt gateway.key',
    destroy: async ({ tlsDirectory }) => {
      await unlink(join(tlsDirectory, 'gateway.crt'));
      await unlink(join(tlsDirectory, 'gateway.key'));
    },
    restore: ['tls'],
  },
];
