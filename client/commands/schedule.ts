// dr schedule apply|list|pause|resume|trigger

import { EXIT, Failure } from '../../domain/failures.ts';
import { counted } from '../../domain/quantities.ts';
import type { Call, CommandGroup, CommandSpec } from '../command.ts';
import { table, timeText } from '../output/human.ts';
import { type Platform, withPlatform } from '../temporal/platform.ts';
import {
  applySchedules,
  listSchedules,
  type ScheduleLine,
  startWatcher,
  steerSchedule,
} from '../temporal/schedules.ts';
import { wantedSchedules } from '../wanted-schedules.ts';

export const spec: CommandGroup = {
  name: 'schedule',
  summary: 'apply and steer the schedules',
  commands: [
    {
      name: 'apply',
      summary: 'make the schedules as the configuration says; paused ones stay paused',
      examples: [['dr schedule apply', 'after a change of the configuration; safe to repeat']],
      exits: ['noTemporal'],
      notes: 'Certificates have no schedule: this starts the watcher that backs them up when they change.',
      run: apply,
    },
    {
      name: 'list',
      summary: 'list the schedules, their next run, and what differs from the configuration',
      examples: [['dr schedule list', 'is everything scheduled?']],
      exits: ['warnings', 'noTemporal'],
      run: list,
    },
    steering('pause', 'let a schedule rest', 'maintenance'),
    steering('resume', 'let it run again', 'done'),
    steering('trigger', 'run it now (not while it runs)', 'now'),
  ],
};

function steering(act: 'pause' | 'resume' | 'trigger', summary: string, why: string): CommandSpec {
  return {
    name: act,
    summary,
    args: '[schedule...]',
    options: [
      { flags: '--all', description: 'every schedule of the platform' },
      ...(act === 'trigger' ? [] : [{ flags: '--reason <text>', description: 'why (shown in the list)' }]),
    ],
    examples: [
      [`dr schedule ${act} postgres/logical${act === 'trigger' ? '' : ` --reason ${why}`}`, 'one'],
      [`dr schedule ${act} --all`, 'all of them'],
    ],
    exits: ['notFound', 'noTemporal'],
    run: (call) => steer(call, act),
  };
}

function apply(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const { configuration, temporal } = platform;
    const done = await applySchedules(temporal, configuration.platform, wantedSchedules(platform));
    const watcher = await startWatcher(platform);
    const lines = done.map(({ id, act }) => `${act.padEnd(9)}  ${id}`);
    const last = watcher === null ? [] : [`${watcher.act.padEnd(9)}  ${watcher.id}`];
    call.output.answer([...lines, ...last].join('\n'), { schedules: done, watcher });
    return EXIT.done;
  });
}

function list(call: Call): Promise<number> {
  return withPlatform(call, async (platform) => {
    const { configuration, temporal } = platform;
    const lines = await listSchedules(temporal, configuration.platform, wantedSchedules(platform));
    const differing = lines.filter(({ differs }) => differs !== null);
    const drift = `${counted(differing.length, 'schedule')} differ from the configuration; run 'dr schedule apply'`;
    if (differing.length > 0) call.output.note(call.output.paintNote('yellow', drift));
    call.output.answer(lines.length === 0 ? 'there is no schedule' : scheduleTable(lines), lines);
    return differing.length > 0 ? EXIT.warnings : EXIT.done;
  });
}

function missedText({ missed, overlapped }: ScheduleLine): string {
  const reasons = [
    ...(overlapped > 0 ? [`${overlapped} (one still ran)`] : []),
    ...(missed > 0 ? [`${missed} (their time had passed)`] : []),
  ];
  return reasons.join(', ') || '-';
}

const scheduleTable = (lines: readonly ScheduleLine[]): string =>
  table<ScheduleLine>(
    [
      { title: 'SCHEDULE', value: ({ id }) => id },
      { title: 'EVERY', value: ({ every }) => every },
      { title: 'NEXT', value: ({ nextAt }) => timeText(nextAt ?? '-') },
      { title: 'LAST', value: ({ lastAt }) => timeText(lastAt ?? '-') },
      { title: 'MISSED', value: missedText },
      { title: 'STATE', value: ({ paused, note, differs }) => differs ?? (paused ? `paused: ${note}` : 'on') },
    ],
    lines,
  );

function steer(call: Call, act: 'pause' | 'resume' | 'trigger'): Promise<number> {
  return withPlatform(call, async (platform) => {
    const ids = await chosenIds(call, platform);
    const reason = call.options.text('reason') ?? '';
    for (const id of ids) await steerSchedule(platform.temporal, id, act, reason);
    call.output.answer(ids.map((id) => `${act.padEnd(7)}  ${id}`).join('\n'), { act, schedules: ids });
    return EXIT.done;
  });
}

async function chosenIds(call: Call, { temporal, configuration }: Platform): Promise<readonly string[]> {
  const prefix = `dr/${configuration.platform}/`;
  if (call.options.flag('all')) return (await listSchedules(temporal, configuration.platform, [])).map(({ id }) => id);
  if (call.args.length === 0) throw new Failure('USAGE', 'which schedule? name some, or give --all');
  return call.args.map((word) => (word.startsWith(prefix) ? word : `${prefix}${word}`));
}
