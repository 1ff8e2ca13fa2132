// Starting several servers at once: either all run, or none does.

export interface Stoppable {
  stop(): Promise<void>;
}

/** Waits for all that are starting. @throws the first failure, after those that did start were stopped. */
export async function startTogether<T extends readonly Stoppable[]>(
  starting: {
    readonly [K in keyof T]: Promise<T[K]>;
  },
): Promise<{ -readonly [K in keyof T]: T[K] }> {
  const results = await Promise.allSettled<Stoppable>(starting);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return Promise.all(starting) as Promise<{ -readonly [K in keyof T]: T[K] }>;
  await stopTogether(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  throw failed.reason;
}

/** Stops all in parallel, each whatever happens to the others. @throws {AggregateError} when some could not be stopped. */
export async function stopTogether(servers: readonly Stoppable[]): Promise<void> {
  const results = await Promise.allSettled(servers.map((server) => server.stop()));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (failures.length > 0) throw new AggregateError(failures, 'some servers could not be stopped');
}
