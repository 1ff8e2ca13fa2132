// faults 7: a step of a restore that this version of Holdfast does not know, because another one made the plan.
import { expect, test } from 'vitest';
import { createConfig } from '../../activities/config/index.ts';
import { createPostgres } from '../../activities/postgres/index.ts';
import { digestOf } from '../../activities/postgres/restore-context.ts';
import { createRabbitmq } from '../../activities/rabbitmq/index.ts';
import { createRedis } from '../../activities/redis/index.ts';
import { createTls } from '../../activities/tls/index.ts';
import type { ProtectedSystem, RestorePlan } from '../../domain/contracts/protected-system.ts';
import { SYSTEM_NAMES, type SystemName } from '../../domain/systems.ts';
import { restoreRequest } from '../support/file-systems.ts';

const STEP = { id: 'from-the-future', title: 'unknown', skippable: false, hasUndo: true, safeToLeave: 'nothing' };

/** A worker that can reach nothing but the name of the backup's kind: the step is refused before anything is touched. */
const deps = {
  platform: 'shop',
  site: 'west',
  workDirectory: '/nowhere',
  writer: {},
  reader: { open: async () => ({ manifest: { kind: 'logical' } }) },
  configuration: {
    root: '/nowhere',
    patterns: ['**'],
    exclude: [],
    certificates: [],
    watchEvery: '10s',
    warnBefore: '30d',
  },
};

const CREATE: Readonly<Record<SystemName, (deps: never) => ProtectedSystem>> = {
  postgres: createPostgres,
  redis: createRedis,
  rabbitmq: createRabbitmq,
  config: createConfig,
  tls: createTls,
};

function planOf(system: SystemName, target: 'live' | 'scratch'): RestorePlan {
  const request = restoreRequest(system, { target });
  const plan = { request, summary: [], difference: {}, warnings: [], steps: [STEP], observed: {} };
  return { ...plan, digest: digestOf(plan) };
}

test.each(SYSTEM_NAMES.flatMap((system) => (['live', 'scratch'] as const).map((target) => [system, target] as const)))(
  'faults 7: an unknown step of %s (%s) is VERSION_UNFIT, done or undone',
  async (system, target) => {
    const built = CREATE[system](deps as never);
    const input = { plan: planOf(system, target), stepId: STEP.id, input: {} };
    for (const work of [() => built.runRestoreStep(input), () => built.undoRestoreStep(input)])
      await expect((async () => work())()).rejects.toMatchObject({
        code: 'VERSION_UNFIT',
        message: expect.stringContaining("no step 'from-the-future'"),
      });
  },
);
