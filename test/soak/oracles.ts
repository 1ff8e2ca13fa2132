// The judge: the oracles of the fault table, with everything that spoke against them. O2 (two writable sites) needs a
// second site and is judged once there is one.

import type { Judgement } from './ledger.ts';
import type { EndedRun } from './runs.ts';

export const ORACLES = {
  O1: 'no acknowledged marker is lost beyond what the age of the backup explains',
  O3: 'every listed proven backup restores, and what is restored is the same',
  O4: 'no object that a kept backup needs is missing',
  O5: 'no canary secret is in a log, a history, an argument, an environment or a manifest',
  O6: 'the status shown is the worst true one',
  O7: 'the audit chain verifies',
  O8: 'a second run of the same request changes nothing',
  SLATE: 'no run leaves a file, a process or an unsealed object behind, and no worker tells of an error nobody caught',
} as const;

export type Oracle = keyof typeof ORACLES;

export interface Violation {
  readonly at: string;
  readonly oracle: Oracle;
  readonly what: string;
}

export interface Judge {
  that(oracle: Oracle, holds: boolean, what: string): void;
  markers(backup: string, judgement: Judgement): void;
  same(oracle: Oracle, what: string, wanted: string, found: string): void;
  restored(system: string, run: EndedRun<unknown>): void;
  /** A backup may fail while faults last, for a reason that it can name. */
  backedUp(run: EndedRun<unknown>): void;
  readonly judged: Readonly<Record<Oracle, number>>;
  readonly violations: readonly Violation[];
  /** Runs that ended without their result for a reason that a fault explains, by code. */
  readonly excused: Readonly<Record<string, number>>;
}

// What an honest run may say while stores, workers and disks go away. A code that is not here is a defect of ours.
const EXCUSES = ['STORE_UNREACHABLE', 'NO_SPACE', 'NO_WORKER', 'SCRATCH_ENDED', 'TOOL_FAILED', 'BACKUP_NOT_FOUND'];

/** @param onViolation called as each is found. */
export function makeJudge(onViolation: (violation: Violation) => void): Judge {
  const judged = Object.fromEntries(Object.keys(ORACLES).map((oracle) => [oracle, 0])) as Record<Oracle, number>;
  const violations: Violation[] = [];
  const excused: Record<string, number> = {};
  const that = (oracle: Oracle, holds: boolean, what: string) => {
    judged[oracle] += 1;
    if (holds) return;
    const violation = { at: new Date().toISOString(), oracle, what };
    violations.push(violation);
    onViolation(violation);
  };
  const excuse = (failure: EndedRun<unknown>['failure'], codes: readonly string[]): boolean => {
    if (failure === null) return true;
    if (!codes.includes(failure.code)) return false;
    excused[failure.code] = (excused[failure.code] ?? 0) + 1;
    return true;
  };
  return {
    ...{ judged, violations, excused, that },
    markers: (backup, { missing, extra, doubled }) => {
      that('O1', missing.length === 0, `${backup} lacks acknowledged markers ${shortened(missing)}`);
      that('O3', extra.length === 0, `${backup} holds markers that were not sent yet: ${shortened(extra)}`);
      that('O3', doubled.length === 0, `${backup} gave back markers twice: ${shortened(doubled)}`);
    },
    same: (oracle, what, wanted, found) => that(oracle, wanted === found, `${what}: ${found} instead of ${wanted}`),
    restored: (system, { id, failure }) => {
      const isExcused = excuse(failure, EXCUSES);
      that('O3', isExcused, `restore of ${system} (${id}) ended with ${failure?.code}: ${firstLine(failure)}`);
    },
    backedUp: ({ id, failure }) => {
      const isExcused = excuse(failure, [...EXCUSES, 'BACKUP_FAILED', 'STORE_UNFIT', 'LISTING_INCOMPLETE']);
      that('O6', isExcused, `backup (${id}) ended with ${failure?.code}: ${firstLine(failure)}`);
    },
  };
}

const shortened = (numbers: readonly number[]): string =>
  `${numbers.slice(0, 5).join(', ')}${numbers.length > 5 ? ` and ${numbers.length - 5} more` : ''}`;

const firstLine = (failure: EndedRun<unknown>['failure']): string => failure?.message.split('\n', 1)[0] ?? '';
