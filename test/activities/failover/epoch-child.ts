// Wants the next epoch several times at once, as a process of its own: says that it is ready, waits for its input to end,
// and prints one line of JSON for every try.
import { text } from 'node:stream/consumers';
import { EpochStore } from '../../../activities/failover/epoch-store.ts';
import { Failure } from '../../../domain/failures.ts';

/** What one try ended with. */
export interface Tried {
  readonly run: string;
  /** Null for the winner. */
  readonly code: string | null;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

if (import.meta.main) {
  const [witnessDirectory = '', name = '', times = '1'] = process.argv.slice(2);
  const epochs = new EpochStore({ platform: 'orders', activeSite: 'west', witnessDirectory, now: () => new Date() });
  process.stdout.write('ready\n');
  await text(process.stdin);
  const tried = await Promise.all(Array.from({ length: Number(times) }, (_, n) => attempt(epochs, `${name}-${n}`)));
  process.stdout.write(tried.map((one) => `${JSON.stringify(one)}\n`).join(''));
}

async function attempt(epochs: EpochStore, run: string): Promise<Tried> {
  const wish = { after: 0, run, from: 'west', to: 'east', intent: 'failover' as const, person: `${run}@ops` };
  try {
    await epochs.take(wish);
    return { run, code: null, message: '', details: {} };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { run, code: error.code, message: error.message, details: error.details };
  }
}
