// The troubleshooting table of the procedures, made from the program's own table of failures.
import { FAILURES, type FailureCode } from '../../domain/failures.ts';

type Row = readonly string[];

const cell = (text: string): string => text.replaceAll(/\$?\{[^}]+\}/g, '`$&`');

/** The rows that must stand in the document, in the program's order. */
export const failureRows: readonly Row[] = [
  ['code', 'exit', 'tried again by itself', 'what it means', 'what to do'],
  ...(Object.keys(FAILURES) as FailureCode[]).map((code) => {
    const { exit, retryable, means, action } = FAILURES[code];
    return [`\`${code}\``, String(exit), retryable ? 'yes' : 'no', cell(means), cell(action)];
  }),
];

/** The rows between the two marks, whatever their width. @throws {Error} when the marks are not there. */
export function rowsIn(document: string): Row[] {
  const table = /<!-- failures: begin -->([\s\S]*)<!-- failures: end -->/.exec(document)?.[1];
  if (table === undefined) throw new Error('the marks of the failure table are not there');
  return table
    .split('\n')
    .filter((line) => line.startsWith('|') && !line.startsWith('| ---') && !line.startsWith('|--'))
    .map((line) => line.slice(1, -1).split('|'))
    .map((cells) => cells.map((text) => text.trim()));
}
