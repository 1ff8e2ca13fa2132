// dr status
import type { Seen } from '../../domain/contracts/status.ts';
import type { StatusLine } from '../../domain/contracts/system-status.ts';
import { formatSeconds } from '../../domain/quantities.ts';
import { worstFirst } from '../../domain/status/lines.ts';
import type { ObjectiveStatus } from '../../domain/status/objectives.ts';
import { judgePlatform, type PlatformStatus, type StatusSection, summaryOf } from '../../domain/status/platform.ts';
import type { Call, CommandSpec } from '../command.ts';
import { type Loaded, loadConfiguration } from '../configuration-file.ts';
import { table, timeText, visible } from '../output/human.ts';
import type { Output, Style } from '../output/output.ts';
import { blocks } from '../output/report.ts';
import { writeStatusPage } from '../output/status-page.ts';
import { lookAtTemporal } from '../temporal/look.ts';
import { answerOf } from '../worker-program.ts';

export const spec: CommandSpec = {
  name: 'status',
  summary: 'how the platform is now: stores, backups, tiers, disks, schedules, workers, and every objective measured',
  options: [
    { flags: '--html <file>', description: 'write it as one page too, for reading and printing' },
    { flags: '--problems', description: 'only what is not well' },
  ],
  examples: [
    ['dr status', 'look at everything; works without Temporal and without a worker'],
    ['dr status --problems', 'only what is not well'],
    ['dr status --html status.html', 'a page for others'],
    ['dr status --json', 'the same for a program'],
  ],
  exits: ['warnings', 'objectiveMissed'],
  notes: `Exit code 8: an objective is missed; 1: something failed; 3: something is unknown, warned of or at risk; 0: all is well.
What could not be asked is unknown, never well. Run it where the stores and the tiers can be reached.`,
  run,
};

async function run(call: Call): Promise<number> {
  const loaded = await loadConfiguration(call);
  const [seen, temporal] = await Promise.all([lookHere(loaded), lookAtTemporal(loaded)]);
  const status = judgePlatform({ ...loaded, seen, temporal });
  const page = call.options.text('html');
  if (page !== undefined) await writeStatusPage(page, status);
  call.output.answer(statusText(status, call.output, call.options.flag('problems')), status);
  return status.exit;
}

const lookHere = ({ file, site }: Loaded): Promise<Seen> => answerOf('status', ['--config', file, '--site', site]);

const MARKS: Readonly<Record<StatusLine['level'], readonly [mark: string, style: Style]>> = {
  ok: ['ok', 'green'],
  warning: ['WARNING', 'yellow'],
  unknown: ['UNKNOWN', 'cyan'],
  failed: ['FAILED', 'red'],
};

function statusText(status: PlatformStatus, output: Output, onlyProblems: boolean): string {
  const { platform, site, at, level, objectives, sections } = status;
  const head = `${visible(platform)} at site ${visible(site)}, ${timeText(at)}: ${painted(level, output)}, ${summaryOf(status)}`;
  const shown = sections
    .map((one) => (onlyProblems ? withProblemsOnly(one) : one))
    .filter(({ lines }) => lines.length > 0);
  return blocks(head, objectiveTable(objectives), ...shown.map((one) => sectionText(one, output)));
}

const withProblemsOnly = (section: StatusSection): StatusSection => ({
  ...section,
  lines: section.lines.filter(({ level }) => level !== 'ok'),
});

const painted = (level: StatusLine['level'], output: Output): string => output.paint(MARKS[level][1], MARKS[level][0]);

const objectiveTable = (objectives: readonly ObjectiveStatus[]): string =>
  table<ObjectiveStatus>(
    [
      { title: 'OBJECTIVE', value: ({ what, objective }) => `${what} ${objective}` },
      { title: 'WANTED', value: ({ wantedSeconds }) => secondsText(wantedSeconds), right: true },
      { title: 'MEASURED', value: ({ measuredSeconds }) => secondsText(measuredSeconds), right: true },
      { title: 'STANDING', value: ({ standing }) => standing },
      { title: 'BY', value: ({ why }) => why },
    ],
    objectives,
  );

const secondsText = (seconds: number | null): string => (seconds === null ? '-' : formatSeconds(seconds));

function sectionText({ title, level, lines }: StatusSection, output: Output): string {
  const { shown, more } = worstFirst(lines);
  const rest = more === 0 ? [] : [`           and ${more} more lines like the last: see --json`];
  return [
    `${output.paint('bold', title)}: ${painted(level, output)}`,
    ...shown.map((one) => lineText(one, output)),
    ...rest,
  ].join('\n');
}

const WIDTH = 9;

function lineText({ level, subject, message, mend }: StatusLine, output: Output): string {
  const [first = '', ...rest] = message.split('\n').map(visible);
  const mark = MARKS[level][0].padEnd(WIDTH).replace(MARKS[level][0], painted(level, output));
  return [
    `  ${mark}${visible(subject)}: ${first}`,
    ...rest.map((one) => `           ${one}`),
    ...(mend === undefined || level === 'ok' ? [] : [`           DO: ${visible(mend)}`]),
  ].join('\n');
}
