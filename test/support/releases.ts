// Stores of two releases side by side in one test.

/** Starts with the programs of `stores`: which release a server is of is told by the environment when it is started. */
export async function startAs<T>(stores: 'machine' | 'current', start: () => Promise<T>): Promise<T> {
  const before = process.env.HOLDFAST_STORES;
  process.env.HOLDFAST_STORES = stores;
  try {
    return await start();
  } finally {
    if (before === undefined) delete process.env.HOLDFAST_STORES;
    else process.env.HOLDFAST_STORES = before;
  }
}
