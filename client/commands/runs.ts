// dr runs list|watch|go|retry|skip|abort
import { EXIT, Failure } from '../../domain/failures.ts';
import type { RunReport } from '../../domain/run-state.ts';
import type { Call, CommandGroup, OptionSpec } from '../command.ts';
import { table, timeText } from '../output/human.ts';
import { blocks, exitOf, findingsText, reportLine, stepsText } from '../output/report.ts';
import { webLink } from '../temporal/connection.ts';
import { findRun } from '../temporal/find-run.ts';
import { conclude, follow } from '../temporal/follow.ts';
import { type Platform, withPlatform } from '../temporal/platform.ts';
import type { Run } from '../temporal/start.ts';

const REASON: OptionSpec = { flags: '--reason <text>', description: 'why (kept in the audit log)' };
const CONFIRM: OptionSpec = {
  flags: '--confirm <platform>',
  description: "the platform's name, in place of typing it",
};

export const spec: CommandGroup = {
  name: 'runs',
  summary: 'list, watch and steer runs',
  commands: [
    {
      name: 'list',
      summary: 'list runs, newest first',
      options: [
        { flags: '--limit <count>', description: 'how many', default: '20' },
        { flags: '--running', description: 'only those that have not ended' },
        { flags: '--all', description: 'questions too' },
      ],
      examples: [
        ['dr runs list', 'the newest runs'],
        ['dr runs list --running', 'what is going on'],
      ],
      exits: ['noTemporal'],
      run: list,
    },
    {
      name: 'watch',
      summary: 'follow a run to its end; where it waits for a person, answer it',
      args: '<run>',
      options: [CONFIRM],
      examples: [['dr runs watch restore/orders/postgres', 'follow it; Ctrl-C detaches']],
      exits: ['refused', 'notFound', 'noTemporal', 'undone', 'stuck', 'detached'],
      run: watch,
    },
    {
      name: 'go',
      summary: 'say go where a run asks go or no-go; no-go is abort',
      args: '<run> <step>',
      options: [REASON],
      examples: [['dr runs go failover/orders go --reason "nothing is lost"', 'after reading the measured loss']],
      exits: ['notFound', 'noTemporal'],
      run: async (call) => (await import('../steer-run.ts')).answerStep(call, 'go'),
    },
    {
      name: 'retry',
      summary: 'try the waiting step again',
      args: '<run> <step>',
      options: [
        REASON,
        { flags: '--input <name=value>', description: 'corrected input (may be repeated)', repeatable: true },
      ],
      examples: [['dr runs retry restore/orders/postgres load --reason "disk enlarged"', 'after the cause is gone']],
      exits: ['notFound', 'noTemporal'],
      run: async (call) => (await import('../steer-run.ts')).answerStep(call, 'retry'),
    },
    {
      name: 'skip',
      summary: 'go on without the waiting step, where it allows that',
      args: '<run> <step>',
      options: [REASON],
      examples: [['dr runs skip restore/orders/postgres statistics --reason "later"', 'leave the step out']],
      exits: ['notFound', 'noTemporal'],
      run: async (call) => (await import('../steer-run.ts')).answerStep(call, 'skip'),
    },
    {
      name: 'abort',
      summary: 'stop a run and undo what it has done, last step first',
      args: '<run> [step]',
      options: [REASON, CONFIRM],
      examples: [
        ['dr runs abort restore/orders/postgres load --reason "wrong backup"', 'answer the waiting step with abort'],
        ['dr runs abort backup/orders --reason "not now" --confirm orders', 'cancel a run that does not wait'],
      ],
      exits: ['refused', 'notFound', 'noTemporal'],
      notes: 'It says what will be undone before it asks. Watch the undoing with: dr runs watch RUN',
      run: async (call) => (await import('../steer-run.ts')).abortRun(call),
    },
  ],
};

interface RunLine {
  readonly id: string;
  readonly runId: string;
  readonly type: string;
  readonly status: string;
  readonly phase: string;
  readonly outcome: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly link: string;
}

function list(call: Call): Promise<number> {
  const limit = Number(call.options.text('limit'));
  if (!Number.isInteger(limit) || limit < 1) throw new Failure('USAGE', '--limit is a whole number from 1');
  return withPlatform(call, async (platform) => {
    const lines = await platform.temporal.ask(() => newestRuns(call, platform, limit));
    call.output.answer(lines.length === 0 ? 'there is no run' : runTable(lines), lines);
    return EXIT.done;
  });
}

async function newestRuns(call: Call, { temporal, configuration }: Platform, limit: number): Promise<RunLine[]> {
  const parts = [
    `DrPlatform = "${configuration.platform}"`,
    ...(call.options.flag('running') ? ['ExecutionStatus = "Running"'] : []),
    ...(call.options.flag('all') ? [] : ['WorkflowType != "ask"']),
  ];
  const lines: RunLine[] = [];
  for await (const info of temporal.client.workflow.list({ query: parts.join(' AND '), pageSize: limit })) {
    const { workflowId, runId, type, status, searchAttributes, startTime, closeTime } = info;
    const word = (name: string) => String((searchAttributes[name] as readonly unknown[] | undefined)?.[0] ?? '');
    lines.push({
      id: workflowId,
      runId,
      type,
      status: status.name,
      phase: word('DrPhase'),
      outcome: word('DrOutcome'),
      startedAt: startTime.toISOString(),
      endedAt: closeTime?.toISOString() ?? null,
      link: webLink(temporal, workflowId, runId),
    });
    if (lines.length === limit) break;
  }
  return lines;
}

const runTable = (lines: readonly RunLine[]): string =>
  table<RunLine>(
    [
      { title: 'RUN', value: ({ id }) => id },
      { title: 'STARTED', value: ({ startedAt }) => timeText(startedAt) },
      { title: 'STATUS', value: ({ status }) => status.toLowerCase() },
      { title: 'PHASE', value: ({ phase }) => phase },
      { title: 'OUTCOME', value: ({ outcome }) => outcome },
    ],
    lines,
  );

interface AnyResult {
  readonly report?: RunReport;
  readonly findings?: Parameters<typeof exitOf>[1];
}

function watch(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const { temporal, configuration } = platform;
    const run = await findRun(temporal, call.args[0] ?? '');
    const options = { platform: configuration.platform, confirm: call.options.text('confirm') };
    const followed = await follow<AnyResult>(temporal, run, call.output, options);
    return conclude(call.output, followed, (result) => told(call, run, result));
  });
}

function told({ output }: Call, { id }: Run, result: AnyResult | null): number {
  const { report, findings = [] } = result ?? {};
  const text =
    report === undefined
      ? `${id} has ended`
      : blocks(stepsText(report), findingsText(findings, output), reportLine(report));
  output.answer(text, result);
  return report === undefined ? EXIT.done : exitOf(report.outcome, findings);
}
