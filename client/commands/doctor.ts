// dr doctor

import type { Finding } from '../../domain/contracts/protected-system.ts';
import { EXIT, FAILURES, Failure, isFailureCode } from '../../domain/failures.ts';
import { counted } from '../../domain/quantities.ts';
import type { Call, CommandSpec } from '../command.ts';
import { configurationFile, invalid, parseFile } from '../configuration-file.ts';
import { blocks, findingsText } from '../output/report.ts';
import { answerOf } from '../worker-program.ts';

export const spec: CommandSpec = {
  name: 'doctor',
  summary: 'check this machine, the stores, the tiers, the keys and Temporal; says what mends each finding',
  options: [{ flags: '--problems', description: 'only what is not well' }],
  examples: [
    ['dr doctor', 'look at everything; works without Temporal and without a worker'],
    ['dr doctor --problems --json', 'what is not well, for a program'],
  ],
  exits: ['warnings', 'refused', 'noTemporal', 'verificationFailed', 'cannotDecrypt', 'toolMissing'],
  notes: `The exit code is that of the failures found when they are all of one kind, otherwise 1.
Run it on every machine that runs a worker.`,
  run,
};

interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}

async function run(call: Call): Promise<number> {
  const file = configurationFile(call);
  const { configuration, problems } = await parseFile(file);
  if (configuration === null) throw invalid(file, problems);
  const site = call.options.text('site') ?? configuration.activeSite;
  if (!Object.hasOwn(configuration.sites, site)) throw new Failure('USAGE', `there is no site '${site}'`);
  const { checkTemporal } = await import('../temporal/check-temporal.ts');
  const [local, temporal] = await Promise.all([examineHere(file, site), checkTemporal(configuration, site)]);
  const sections = [
    { title: 'configuration file', findings: configurationFindings(file, problems) },
    ...local,
    { title: 'Temporal', findings: temporal },
  ];
  return tell(call, sections);
}

function configurationFindings(file: string, problems: Awaited<ReturnType<typeof parseFile>>['problems']): Finding[] {
  const warnings = problems.map(
    ({ path, message }): Finding => ({
      level: 'warning',
      subject: path,
      message,
      code: null,
      mend: `change it in ${file}`,
    }),
  );
  return [{ level: 'ok', subject: 'file', message: file, code: null }, ...warnings];
}

// Only the composition root may touch activities, so it looks; this command shows.
const examineHere = (file: string, site: string): Promise<Section[]> =>
  answerOf('doctor', ['--config', file, '--site', site]);

function tell({ output, options }: Call, sections: readonly Section[]): number {
  const all = sections.flatMap(({ findings }) => findings);
  const onlyProblems = options.flag('problems');
  const shown = sections.map(({ title, findings }) => ({
    title,
    findings: onlyProblems ? findings.filter(({ level }) => level !== 'ok') : findings,
  }));
  const parts = shown
    .filter(({ findings }) => findings.length > 0)
    .map(({ title, findings }) => `${output.paint('bold', title)}\n${findingsText(findings, output, true)}`);
  const exit = worstExit(all);
  output.answer(blocks(...parts, summaryOf(all)), { exit, sections: shown });
  return exit;
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const [failed, warnings] = [count('failed'), count('warning')];
  if (failed + warnings === 0) return `all ${findings.length} checks are well`;
  return `${counted(findings.length, 'check')}: ${counted(failed, 'failure')}, ${counted(warnings, 'warning')}`;
}

/** Exit code of the failures when they are all of one kind, 1 when they are not, 3 with warnings alone. */
export function worstExit(findings: readonly Finding[]): number {
  const failed = findings.filter(({ level }) => level === 'failed');
  const exits = new Set(failed.map(({ code }) => (isFailureCode(code) ? FAILURES[code].exit : EXIT.failed)));
  const [only] = exits;
  if (only !== undefined) return exits.size === 1 ? only : EXIT.failed;
  return findings.some(({ level }) => level === 'warning') ? EXIT.warnings : EXIT.done;
}
