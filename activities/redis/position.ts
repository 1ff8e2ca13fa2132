// Where Redis stands: how often each command that writes was called, which Redis counts itself. The replication offset
// moves with expiring keys as well, so it is shown only.
import type { Redis } from 'ioredis';
import type { StorePosition } from '../../domain/contracts/protected-system.ts';
import { infoOf, withStore } from './client.ts';
import type { RedisDependencies } from './run-folder.ts';

/**
 * *Does*: reads the command statistics. *Repeat*: reads again. *Undo*: none, nothing is changed.
 * @throws {Failure} STORE_UNREACHABLE, ACCESS_DENIED.
 */
export async function readPosition({ configuration }: RedisDependencies): Promise<StorePosition> {
  return await withStore(configuration, async (redis) => {
    const info = await infoOf(redis);
    const calls = callsOf(info);
    const writing = await writingAmong(redis, [...calls.keys()]);
    const counts = writing.map((name) => `${name}=${calls.get(name)}`).sort();
    const writes = writing.reduce((sum, name) => sum + (calls.get(name) ?? 0), 0);
    return {
      // A server that was restarted counts anew, under another run id.
      position: [info.run_id, ...counts].join(' '),
      detail: `${writes} writes, offset ${info.master_repl_offset}`,
    };
  });
}

// `cmdstat_set:calls=12,usec=…`, and `cmdstat_xgroup|create:…` for one of several below a name.
function callsOf(info: Readonly<Record<string, string>>): Map<string, number> {
  const entries = Object.entries(info).filter(([name]) => name.startsWith('cmdstat_'));
  return new Map(
    entries.map(([name, value]) => [
      name.slice('cmdstat_'.length),
      Number(/calls=(\d+)/.exec(value)?.[1] ?? Number.NaN),
    ]),
  );
}

type CommandInfo = readonly [name: string, arity: number, flags: readonly string[], ...rest: unknown[]] | null;

// A command that the server does not explain counts as one that writes.
async function writingAmong(redis: Redis, names: readonly string[]): Promise<readonly string[]> {
  if (names.length === 0) return [];
  const answers = (await redis.call('COMMAND', 'INFO', ...names)) as CommandInfo[];
  return names.filter((_, index) => answers[index]?.[2].includes('write') ?? true);
}
