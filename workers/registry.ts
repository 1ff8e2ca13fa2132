// The one list of protected systems and what builds them. Until a system has its line here, nothing compiles.
import { createConfig } from '../activities/config/index.ts';
import { createPostgres } from '../activities/postgres/index.ts';
import { createRabbitmq } from '../activities/rabbitmq/index.ts';
import { createRedis } from '../activities/redis/index.ts';
import type { SystemDependencies } from '../activities/shared/system-dependencies.ts';
import { createTls } from '../activities/tls/index.ts';
import type { SystemConfiguration } from '../domain/configuration/schema.ts';
import type { ProtectedSystem } from '../domain/contracts/protected-system.ts';
import type { SystemName } from '../domain/systems.ts';

type Factories = {
  readonly [S in SystemName]?: (dependencies: SystemDependencies<SystemConfiguration<S>>) => ProtectedSystem;
};

export const FACTORIES: Factories = {
  postgres: createPostgres,
  redis: createRedis,
  rabbitmq: createRabbitmq,
  config: createConfig,
  tls: createTls,
};
