// Turns command specs into a commander program. Examples come first in every help text, exit codes last.
import { Command, Option } from 'commander';
import {
  type Call,
  type CallOptions,
  type CommandGroup,
  type CommandModule,
  type CommandSpec,
  EXIT_MEANINGS,
  type ExitName,
  type OptionSpec,
} from './command.ts';
import type { TableEntry } from './command-table.ts';
import type { Output } from './output/output.ts';

export interface ProgramDependencies {
  readonly output: Output;
  /** Takes the exit code of the command that ran. */
  readonly finish: (code: number) => void;
}

/** The program with the one module that was called; the others are known by name and summary only. */
export function makeProgram(
  table: readonly TableEntry[],
  loaded: CommandModule | undefined,
  dependencies: ProgramDependencies,
): Command {
  const program = new Command('dr')
    .description('Disaster recovery for PostgreSQL, Redis, RabbitMQ, configuration and certificates.')
    .helpCommand(false);
  prepare(program, dependencies.output);
  program.addHelpText('before', examplesText(PROGRAM_EXAMPLES));
  program.addHelpText('after', `\nExit codes: ${Object.values(EXIT_MEANINGS).join(', ')}.`);
  for (const { name, summary } of table) {
    program.addCommand(
      loaded?.name === name ? moduleCommand(loaded, dependencies) : new Command(name).summary(summary),
    );
  }
  return program;
}

const PROGRAM_EXAMPLES = [
  ['dr init --from-urls -', 'describe an existing platform'],
  ['dr doctor', 'see whether everything is ready'],
  ['dr backup --all', 'back everything up'],
  ['dr verify', 'prove the newest backups'],
  ['dr restore postgres --test', 'restore into scratch and compare'],
] as const;

function moduleCommand(module: CommandModule, dependencies: ProgramDependencies): Command {
  return 'commands' in module ? groupCommand(module, dependencies) : specCommand(module, dependencies, 'dr');
}

function groupCommand(group: CommandGroup, dependencies: ProgramDependencies): Command {
  const command = new Command(group.name).summary(group.summary).description(group.summary).helpCommand(false);
  prepare(command, dependencies.output);
  const examples = group.commands.flatMap((spec) => spec.examples.slice(0, 1));
  command.addHelpText('before', examplesText(examples));
  for (const spec of group.commands) command.addCommand(specCommand(spec, dependencies, `dr ${group.name}`));
  return command;
}

function specCommand(spec: CommandSpec, { output, finish }: ProgramDependencies, parent: string): Command {
  const command = new Command(spec.name).summary(spec.summary).description(spec.summary);
  prepare(command, output);
  if (spec.args !== undefined) command.arguments(spec.args);
  for (const option of [...(spec.options ?? []), ...COMMON_OPTIONS]) command.addOption(toOption(option));
  command.usage(`${spec.args === undefined ? '' : `${spec.args} `}[options]`);
  command.addHelpText('before', examplesText(spec.examples));
  command.addHelpText('after', `${spec.notes === undefined ? '' : `\n${spec.notes}\n`}\n${exitText(spec)}`);
  command.configureHelp({ commandUsage: () => `${parent} ${spec.name} ${command.usage()}` });
  command.action(async () => {
    const options = callOptions(command.optsWithGlobals());
    output.useJson(options.flag('json'));
    const call: Call = { args: command.args, options, output };
    finish(await spec.run(call));
  });
  return command;
}

const COMMON_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--config <file>',
    description: 'configuration (default: $HOLDFAST_CONFIG, ./holdfast.yaml, /etc/holdfast/holdfast.yaml)',
  },
  { flags: '--site <name>', description: 'site to work on (default: the active site)' },
  { flags: '--json', description: 'print one JSON document, also for errors' },
];

function prepare(command: Command, output: Output): void {
  command.exitOverride().showSuggestionAfterError(true).allowExcessArguments(false);
  command.configureOutput({
    writeOut: (text) => output.write(text),
    writeErr: (text) => output.writeLive(text),
    outputError: () => undefined, // Told in three lines by the failure report.
  });
  command.helpOption('-h, --help', 'show this help');
}

function toOption({ flags, description, repeatable, choices, default: initial }: OptionSpec): Option {
  const option = new Option(flags, description);
  if (choices) option.choices(choices);
  if (initial !== undefined) option.default(initial);
  if (repeatable) option.argParser((value: string, earlier: readonly string[] = []) => [...earlier, value]);
  return option;
}

function callOptions(values: Record<string, unknown>): CallOptions {
  const one = (name: string) => values[name];
  return {
    text: (name) => (typeof one(name) === 'string' ? String(one(name)) : undefined),
    flag: (name) => one(name) === true,
    list: (name) => (Array.isArray(one(name)) ? (one(name) as string[]) : []),
  };
}

function examplesText(examples: readonly (readonly [line: string, does: string])[]): string {
  const width = Math.max(...examples.map(([line]) => line.length));
  return ['Examples:', ...examples.map(([line, does]) => `  ${line.padEnd(width)}  ${does}`), ''].join('\n');
}

const ALWAYS: readonly ExitName[] = ['done', 'failed', 'usage'];

function exitText({ exits = [] }: CommandSpec): string {
  const names = (Object.keys(EXIT_MEANINGS) as ExitName[]).filter((name) => [...ALWAYS, ...exits].includes(name));
  return `Exit codes: ${names.map((name) => EXIT_MEANINGS[name]).join(', ')}.`;
}
