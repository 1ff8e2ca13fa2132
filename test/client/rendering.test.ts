import { describe, expect, it } from 'vitest';
import { worstExit } from '../../client/commands/doctor.ts';
import { reportFailure, toldFailure } from '../../client/failure-report.ts';
import { briefText } from '../../client/output/failover-brief.ts';
import { table, timeText, visible } from '../../client/output/human.ts';
import { makePainter } from '../../client/output/live.ts';
import { Output, type TextSink } from '../../client/output/output.ts';
import { liveLines, progressLine } from '../../client/output/progress.ts';
import { exitOf, findingsText } from '../../client/output/report.ts';
import { undoText } from '../../client/steer-run.ts';
import { planText, questionText } from '../../client/temporal/decide.ts';
import type { RestorePlan } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { RunState } from '../../domain/run-state.ts';

interface Captured extends TextSink {
  text: string;
}
const sink = (isTTY = false): Captured => ({
  text: '',
  isTTY,
  columns: 60,
  write(text) {
    this.text += text;
  },
});

const STATE: RunState = {
  title: 'Restore of PostgreSQL of orders',
  phase: 'restoring',
  steps: [
    { id: 'a', title: 'Fetch', status: 'done', detail: '3 files', startedAt: null, endedAt: null },
    { id: 'b', title: 'Load "x\u001b[31m"', status: 'running', detail: '', startedAt: null, endedAt: null },
    { id: 'c', title: 'Check', status: 'pending', detail: '', startedAt: null, endedAt: null },
  ],
  questions: [],
  plan: null,
  measured: [],
  outcome: null,
};
const LOADING = {
  name: 'postgres.runRestoreStep',
  attempt: 2,
  lastFailure: 'connection reset',
  progress: { what: 'orders', doneBytes: 1_048_576, totalBytes: 4_194_304, bytesPerSecond: 524_288 },
};

describe('the head of a failover plan', () => {
  it('puts what is lost first and the next command last, a label a line', () => {
    const brief = {
      ...{ lossSeconds: { postgres: 2520, redis: 660 }, serveSeconds: 200, measuredBy: 'a live recovery, 3 h ago' },
      ...{
        besides: ['2 signatures', 'the rest'],
        waiting: ['a', 'b'],
        unknown: ['c'],
        next: 'dr failover run --to east',
      },
    };
    expect(briefText(brief)).toBe(`Lost if now:   at the most the writes of the last
                 postgres 42 min
                 redis 11 min
Serves after:  about 3 min 20 s by restore (measured: a live recovery, 3 h ago)
               besides: 2 signatures; the rest
Waiting costs: a
               b
Unknown:       c
NEXT:          dr failover run --to east`);
    expect(briefText({ ...brief, serveSeconds: null, measuredBy: 'never' })).toContain('unknown by restore (never)');
  });
});

describe('text for people', () => {
  it('shows what a terminal would obey', () => {
    expect(visible('a\u001b[2Jb\n\u202ec\u009b')).toBe('a\\x1b[2Jb\\x0a\\u202ec\\x9b');
  });

  it('aligns a table, numbers to the right, without trailing space', () => {
    const columns = [
      { title: 'NAME', value: ({ name }: { name: string }) => name },
      { title: 'SIZE', value: ({ size }: { size: string }) => size, right: true },
    ];
    const rows = [
      { name: 'a\n', size: '10 B' },
      { name: 'long name', size: '1 B' },
    ];
    expect(table(columns as never, rows)).toBe('NAME       SIZE\na\\x0a      10 B\nlong name   1 B');
  });

  it('writes times to the second and leaves other words alone', () => {
    expect([timeText('2026-11-23T05:49:00.123Z'), timeText('-')]).toEqual(['2026-11-23 05:49:00Z', '-']);
  });
});

describe('progress', () => {
  it('draws a bar with amount, rate, rest and what went wrong before', () => {
    expect(progressLine(LOADING)).toBe(
      '  ▕██████                  ▏ 25% 1.0 MiB of 4.0 MiB, 512 KiB/s, 6.0 s left  postgres.runRestoreStep: orders (attempt 2: connection reset)',
    );
    const unknown = { ...LOADING, attempt: 1, progress: { ...LOADING.progress, totalBytes: null } };
    expect(progressLine(unknown)).toBe('  … 1.0 MiB, 512 KiB/s  postgres.runRestoreStep: orders');
    expect(progressLine({ ...LOADING, attempt: 1, progress: null })).toBe('  … postgres.runRestoreStep');
  });

  it('never fills a bar beyond its end', () => {
    const over = { ...LOADING.progress, doneBytes: 9_000_000 };
    expect(progressLine({ ...LOADING, attempt: 1, progress: over })).toContain('▏100%');
  });

  it('is cut to the terminal and redrawn in place', () => {
    const snapshot = { status: 'RUNNING', type: 'restoreSystem', state: STATE, activities: [LOADING] } as const;
    expect(liveLines(snapshot, 40)).toEqual(
      [
        'Restore of PostgreSQL of orders: restor…',
        '✔ Fetch: 3 files',
        '▶ Load "x\\x1b[31m"',
        '· Check',
        '  ▕██████                  ▏ 25% 1.0 Mi…',
      ].map((line) => (line.length > 39 ? `${line.slice(0, 38)}…` : line)),
    );
    const stderr = sink(true);
    const painter = makePainter(new Output(sink(), stderr, {}));
    painter.show(snapshot);
    painter.show(snapshot);
    expect(stderr.text.split('\u001b[5A\u001b[J')).toHaveLength(2);
  });

  it('is told line by line where there is no terminal, each change once', () => {
    const stderr = sink();
    const painter = makePainter(new Output(sink(), stderr, {}));
    const snapshot = { status: 'RUNNING', type: 'x', state: STATE, activities: [] } as const;
    painter.show(snapshot);
    painter.show(snapshot);
    expect(stderr.text).toBe('✔ Fetch: 3 files\n▶ Load "x\\x1b[31m"\n');
  });
});

describe('a run that needs a person', () => {
  it('is told with its three lines, what can wait, and the commands', () => {
    const question = {
      step: 'load',
      code: 'NO_SPACE',
      message: 'the disk is full\nMEANS: partial files were removed\nDO: free some space',
      actions: ['retry', 'abort'] as const,
      safeToLeave: 'the live store was not touched',
    };
    expect(questionText(question, 'restore/orders/postgres')).toBe(`step 'load' waits for a person:
the disk is full
MEANS: partial files were removed
DO: free some space
Until then: the live store was not touched
Answer here, in the Web UI (update resolveStep), or with:
  dr runs retry restore/orders/postgres load --reason "…"
  dr runs abort restore/orders/postgres load --reason "…"`);
  });

  it('is told what aborting undoes, last step first', () => {
    const run = { id: 'restore/orders/postgres' };
    expect(undoText(run, STATE)).toBe(
      'aborting restore/orders/postgres undoes what it has done where there is something to undo, last step first:\n  Load "x\\x1b[31m"\n  Fetch',
    );
    expect(undoText(run, { ...STATE, outcome: 'undone' })).toBe('restore/orders/postgres has ended already (undone)');
    expect(undoText(run, null)).toContain('no worker answers');
  });

  it('shows the plan with its warnings and what can be undone', () => {
    const plan = {
      request: { backup: { system: 'redis', backupId: 'b' }, target: 'live', site: 'west' },
      summary: ['replaces 3 keys'],
      warnings: ['1 key is newer'],
      steps: [{ id: 'a', title: 'Replace', skippable: false, hasUndo: true, safeToLeave: '' }],
      digest: 'd1',
    } as unknown as RestorePlan;
    expect(planText(plan)).toBe(
      "Plan: restore redis/b into site 'west', LIVE\n  replaces 3 keys\n  WARNING: 1 key is newer\nSteps:\n  1. Replace (can be undone)\nDigest: d1",
    );
  });
});

describe('the end of a command', () => {
  const warning = { level: 'warning', subject: 's', message: 'm', code: null } as const;
  const missing = { level: 'failed', subject: 's', message: 'm', code: 'TOOL_MISSING' } as const;
  const noTemporal = { level: 'failed', subject: 's', message: 'm', code: 'NO_TEMPORAL' } as const;

  it('has an exit code for every outcome', () => {
    expect((['succeeded', 'failed', 'undone', 'stuck', 'cancelled'] as const).map((one) => exitOf(one, []))).toEqual([
      0, 1, 12, 13, 12,
    ]);
    expect(exitOf('succeeded', [warning])).toBe(3);
    expect(exitOf('succeeded', [warning, missing])).toBe(1);
  });

  it('takes the code of the failures found when they are of one kind', () => {
    expect([[], [warning], [missing], [missing, missing, warning], [missing, noTemporal]].map(worstExit)).toEqual([
      0, 3, 11, 11, 1,
    ]);
  });

  it('tells a failure in three lines on standard error, and as one document with --json', () => {
    const failure = new Failure('LOCKED', "'backup/orders' runs", { run: 'backup/orders' });
    const message =
      "'backup/orders' runs\nMEANS: another run works on the same thing\nDO: watch it: 'dr runs watch backup/orders'";
    const [stdout, stderr] = [sink(), sink()];
    expect(reportFailure(failure, new Output(stdout, stderr, {}))).toBe(5);
    expect([stdout.text, stderr.text]).toEqual(['', `${message}\n`]);
    const [data, words] = [sink(), sink()];
    const output = new Output(data, words, {});
    output.useJson(true);
    expect(reportFailure(failure, output)).toBe(5);
    expect(JSON.parse(data.text)).toEqual({ error: { code: 'LOCKED', exit: 5, message } });
    expect(words.text).toBe('');
  });

  it('finds our failure in a chain of causes, and tells cancelled and terminated runs apart', () => {
    const ours = Object.assign(new Error('what\nMEANS: m\nDO: d'), { type: 'WRONG_KEY' });
    const chain = new Error('Workflow execution failed', { cause: new Error('Activity failed', { cause: ours }) });
    expect(toldFailure(chain)).toMatchObject({ code: 'WRONG_KEY', exit: 10, message: 'what\nMEANS: m\nDO: d' });
    const ended = (name: string) => new Error('x', { cause: Object.assign(new Error('y'), { name }) });
    expect(toldFailure(ended('CancelledFailure'))).toMatchObject({ code: 'ABORTED', exit: 12 });
    expect(toldFailure(ended('TerminatedFailure'))).toMatchObject({ code: 'RUN_TERMINATED', exit: 13 });
    expect(toldFailure(new TypeError('oops'))).toMatchObject({ code: 'BUG', exit: 1 });
  });

  it('gives each finding the command that mends it, and colours only for a terminal that wants it', () => {
    const mended = { ...missing, mend: 'apt-get install x' };
    expect(findingsText([mended, warning], new Output(sink(), sink(), {}))).toBe(
      '✘ s: m\n    DO: apt-get install x\n! s: m',
    );
    const coloured = (environment: Record<string, string>) =>
      findingsText([warning], new Output(sink(true), sink(true), environment)).includes('\u001b[');
    expect([coloured({}), coloured({ NO_COLOR: '1' }), coloured({ TERM: 'dumb' })]).toEqual([true, false, false]);
  });
});
