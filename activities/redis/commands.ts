// Many commands at once over one connection.
import type { Redis } from 'ioredis';

export type Command = readonly (string | Buffer | number)[];

/** Sends many commands at once. @throws what any of them answers as an error. */
export async function batch(redis: Redis, commands: readonly Command[]): Promise<unknown[]> {
  if (commands.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const [name, ...args] of commands) pipeline.callBuffer(String(name), args as (string | Buffer | number)[]);
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, value]) => {
    if (error !== null) throw error;
    return value;
  });
}

/**
 * Sends commands as one transaction, after a WATCH on the same connection.
 * @returns false when a watched key was written meanwhile: then nothing was done. @throws what a command answers.
 */
export async function transaction(redis: Redis, commands: readonly Command[]): Promise<boolean> {
  const answers = await batch(redis, [['MULTI'], ...commands, ['EXEC']]);
  const results = answers.at(-1) as unknown[] | null;
  if (results === null) return false;
  const failed = results.find((one) => one instanceof Error);
  if (failed !== undefined) throw failed;
  return true;
}
