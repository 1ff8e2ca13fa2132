// Stands beside a faulty worker: hears of every boundary that its activities reach, and strikes there.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

/** Where an activity stands: before its work, after the effect and before the server knows of it, or after a failure. */
export interface Boundary {
  readonly workflowId: string;
  /** Name, with the step, tier or phase where there are several: `redis.runRestoreStep:place`. */
  readonly activity: string;
  readonly attempt: number;
  readonly when: 'before' | 'after' | 'failed';
  /** What it failed with. */
  readonly code?: string;
  /** Whether a child process was killed since `before` answered `kill a child`. */
  readonly childKilled: boolean;
}

export type Answer = 'go' | 'kill a child' | 'lose the answer';
export type Decide = (boundary: Boundary) => Answer | Promise<Answer>;

export interface Director {
  readonly url: string;
  /** Every boundary since the last call of `direct`, in the order it was reached. */
  readonly seen: readonly Boundary[];
  /** Lets `decide` answer from now on; without it everything goes on. */
  direct(decide?: Decide): void;
  /** What `decide` threw since the last call of `direct`. */
  readonly errors: readonly unknown[];
  close(): Promise<void>;
}

export async function startDirector(): Promise<Director> {
  let decide: Decide = () => 'go';
  const seen: Boundary[] = [];
  const errors: unknown[] = [];
  const answer = async (boundary: Boundary): Promise<Answer> => {
    seen.push(boundary);
    try {
      return await decide(boundary);
    } catch (error) {
      errors.push(error);
      return 'go';
    }
  };
  // A held answer may take as long as a whole run.
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    response.on('error', () => undefined); // The worker was killed meanwhile.
    text(request)
      .then((body) => answer(JSON.parse(body) as Boundary))
      .then(
        (word) => response.end(word),
        () => response.destroy(),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    seen,
    errors,
    direct: (next = () => 'go') => {
      decide = next;
      seen.length = 0;
      errors.length = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
