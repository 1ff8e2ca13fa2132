// What every measurement gets, and how contenders take turns.
import type { Samples } from './samples.ts';
import type { Stage } from './stage.ts';

export interface Bench {
  readonly stage: Stage;
  readonly samples: Samples;
  readonly runs: number;
  /** A hundredth of the data: the values mean nothing. */
  readonly small: boolean;
  readonly say: (line: string) => void;
}

/** Runs every contender once a round, so that whatever else the machine does meets all of them. */
export async function inRounds<K extends string>(
  { runs, say }: Bench,
  contenders: Readonly<Record<K, () => Promise<number>>>,
  afterRound: (seconds: Readonly<Record<K, number>>) => void,
): Promise<void> {
  for (let round = 1; round <= runs; round++) {
    const seconds = {} as Record<K, number>;
    for (const name of Object.keys(contenders) as K[]) {
      seconds[name] = await contenders[name]();
      say(`round ${round}: ${name} ${seconds[name].toFixed(2)} s`);
    }
    afterRound(seconds);
  }
}
