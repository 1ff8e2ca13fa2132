// The head of a failover's plan as a person reads it at three in the morning: one label a line, the next command last.
import type { FailoverBrief } from '../../domain/failover-brief.ts';
import { formatSeconds } from '../../domain/quantities.ts';
import { visible } from './human.ts';

const WIDTH = 15;

/** Its lines, the labels aligned. */
export function briefText(brief: FailoverBrief): string {
  const loss = Object.entries(brief.lossSeconds).map(([system, seconds]) => `${system} ${formatSeconds(seconds)}`);
  return [
    labelled('Lost if now:', ['at the most the writes of the last', ...loss.map((one) => `  ${one}`)]),
    labelled('Serves after:', [serves(brief), `besides: ${brief.besides.join('; ')}`]),
    labelled('Waiting costs:', brief.waiting),
    labelled('Unknown:', brief.unknown),
    labelled('NEXT:', [brief.next]),
  ].join('\n');
}

const serves = ({ serveSeconds, measuredBy }: FailoverBrief): string =>
  serveSeconds === null
    ? `unknown by restore (${measuredBy})`
    : `about ${formatSeconds(serveSeconds)} by restore (measured: ${measuredBy})`;

const labelled = (label: string, lines: readonly string[]): string =>
  lines.map((line, index) => `${(index === 0 ? label : '').padEnd(WIDTH)}${visible(line)}`).join('\n');
