// Whether the clock of this machine can be believed: other clocks are asked, and doubt is told beside what rests on it.
import type { Finding } from './contracts/protected-system.ts';

/** Another clock: how far it is ahead of this machine's, in milliseconds. */
export interface ClockSkew {
  readonly source: string;
  readonly skewMs: number;
}

/** From here on times decide wrongly. */
export const MOST_SKEW_MS = 5 * 60 * 1000;

/** One warning when any of the other clocks says quite another time; how many agree tells whose clock is wrong. */
export function judgeClocks(skews: readonly ClockSkew[]): readonly Finding[] {
  const apart = skews.filter(({ skewMs }) => !(Math.abs(skewMs) <= MOST_SKEW_MS));
  if (apart.length === 0) return [];
  const told = apart.map(({ source, skewMs }) => `${source} by ${Math.round(skewMs / 1000)} s`).join(', ');
  const message = `this machine's clock differs from ${apart.length} of ${skews.length} others (${told}): what is judged by the time may be wrong`;
  return [{ level: 'warning', subject: 'clock', message, code: 'CLOCK_SKEWED', mend: 'timedatectl set-ntp true' }];
}
