import { describe, expect, it } from 'vitest';
import {
  formatJournal,
  type JournalStep,
  parseBeginning,
  parseBegun,
  parseEnded,
  type RunBeginning,
  type StepBegun,
  type StepEnd,
} from '../../domain/journal.ts';
import { JournalReplay } from '../../domain/journal-replay.ts';

const BEGINNING: RunBeginning = {
  ...{ format: 1, run: 'failover/orders/r1', workflow: 'failOver', startedAt: '2026-11-24T03:00:00.000Z' },
  input: { site: 'east' },
};
const BEGUN: StepBegun = {
  ...{ format: 1, workflow: 'failover/orders', workflowRun: 'r1', startedAt: '2026-11-24T03:00:00.000Z', call: 1 },
  ...{ activity: 'failover.readEpoch', digest: 'a'.repeat(64), executor: 0, at: '2026-11-24T03:00:01.000Z' },
  ...{ begunAt: '2026-11-24T03:00:01.100Z', told: [{ name: 'resolveStep', said: { step: 'go' } }], cancelled: false },
};
const DONE: StepEnd = { kind: 'done', result: { number: 1 } };
const FAILED: StepEnd = { kind: 'failed', failure: { type: 'TOOL_FAILED', message: 'it failed', details: [{ a: 1 }] } };

const step = (over: Partial<StepBegun>, end: StepEnd | null = DONE): JournalStep => ({
  begun: { ...BEGUN, ...over },
  end,
});
const replayOf = (...steps: readonly JournalStep[]) => new JournalReplay({ beginning: BEGINNING, steps });

describe('a record of the journal', () => {
  it('is read as it was written', () => {
    expect(parseBeginning(formatJournal(BEGINNING), 'run.json')).toEqual(BEGINNING);
    expect(parseBegun(formatJournal(BEGUN), 'a step')).toEqual(BEGUN);
    for (const end of [DONE, FAILED, { kind: 'done' } as const]) {
      const ended = { format: 1, endedAt: BEGUN.at, end };
      expect(parseEnded(formatJournal(ended), 'an end')).toEqual(ended);
    }
  });

  it.each([
    ['of a later release', parseBegun, { ...BEGUN, format: 2 }],
    ['without a digest', parseBegun, { ...BEGUN, digest: 'x' }],
    ['of a run whose id is no name', parseBeginning, { ...BEGINNING, run: 'failover/..' }],
    ['that ends in an unknown way', parseEnded, { format: 1, endedAt: BEGUN.at, end: { kind: 'maybe' } }],
    ['that is cut off', parseEnded, undefined],
  ])('%s is refused', (_, parse: (text: string, what: string) => unknown, record) => {
    const text = record === undefined ? '{"format":1,"end' : formatJournal(record);
    expect(() => parse(text, 'it')).toThrow(expect.objectContaining({ code: 'JOURNAL_BROKEN' }));
  });
});

describe('a call', () => {
  it('is answered once, by the record of the same run, activity and input alone', () => {
    const replay = replayOf(step({}));
    expect(replay.answer({ ...BEGUN, digest: 'b'.repeat(64) })).toBeNull();
    expect(replay.answer({ ...BEGUN, activity: 'failover.fence' })).toBeNull();
    expect(replay.answer({ ...BEGUN, workflowRun: 'r2' })).toBeNull();
    expect(replay.answer(BEGUN)).toEqual(DONE);
    expect(replay.answer(BEGUN)).toBeNull();
  });

  it('that was made twice is answered in that order, whatever the order of the files', () => {
    const replay = replayOf(step({ call: 12 }), step({ call: 9 }, FAILED));
    expect([replay.answer(BEGUN), replay.answer(BEGUN)]).toEqual([FAILED, DONE]);
  });

  it('that was begun and left is answered by the one that was made again, and done where there is none', () => {
    expect(replayOf(step({ call: 3 }, null), step({ call: 3, executor: 1 })).answer(BEGUN)).toEqual(DONE);
    expect(replayOf(step({ call: 3 }, null)).answer(BEGUN)).toBeNull();
  });
});

describe('a run', () => {
  it('is the one that it was, each of the same name in its turn', () => {
    const restore = { workflow: 'restore/orders/redis' };
    const replay = replayOf(
      step({ ...restore, workflowRun: 'second', startedAt: '2026-11-24T03:05:00.000Z' }),
      step({ ...restore, workflowRun: 'first', startedAt: '2026-11-24T03:02:00.000Z' }),
    );
    const next = () => replay.nextExecution(restore.workflow)?.runId;
    expect([next(), next(), next()]).toEqual(['first', 'second', undefined]);
  });

  it('is told the time of what it asks for next, and none past its records', () => {
    const replay = replayOf(
      step({ at: '2026-11-24T03:00:01.000Z' }),
      step({ call: 2, at: '2026-11-24T03:00:09.000Z' }),
    );
    expect(replay.clockOf('r1')).toBe('2026-11-24T03:00:01.000Z');
    replay.answer(BEGUN);
    expect(replay.clockOf('r1')).toBe('2026-11-24T03:00:09.000Z');
    replay.answer(BEGUN);
    expect(replay.clockOf('r1')).toBeNull();
  });

  it('is behind until it has asked for all that came before its cancellation, or for something new', () => {
    const replay = replayOf(step({}), step({ call: 2, digest: 'b'.repeat(64), cancelled: true }));
    expect([replay.isBehind('r1'), replay.wasCancelled()]).toEqual([true, true]);
    replay.answer(BEGUN);
    expect([replay.isBehind('r1'), replay.wasCancelled('r1')]).toEqual([false, true]);
    const other = replayOf(step({}));
    other.answer({ ...BEGUN, digest: 'c'.repeat(64) });
    expect(other.isBehind('r1')).toBe(false);
  });

  it('hears what a person said to a question again, a member by what it heard itself', () => {
    const said = (name: string, what: object) => [{ name, said: what as never }];
    const replay = replayOf(
      step({ told: said('approveFailover', { text: 't' }) }),
      step({ call: 2, told: said('resolveStep', { step: 'attest', action: 'skip' }) }),
      step({ call: 3, told: said('resolveStep', { step: 'redis/load', action: 'retry' }) }),
      step({
        workflow: 'restore/orders/redis',
        workflowRun: 'm',
        told: said('answerMember', { step: 'load', action: 'skip' }),
      }),
    );
    expect(replay.nextTold('approve')?.said).toEqual({ text: 't' });
    expect(replay.nextTold('attest')?.said).toMatchObject({ action: 'skip' });
    expect(replay.nextTold('redis/load')?.said).toMatchObject({ action: 'skip' });
    expect(replay.nextTold('redis/load')).toBeNull();
  });
});
