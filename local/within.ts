// Servers are killed under the soak: an answer that never comes must not be waited for.

/** The result of `work`. @throws {Error} when it takes longer than `ms` milliseconds; `work` itself goes on. */
export function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
