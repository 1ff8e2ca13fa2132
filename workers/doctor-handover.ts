// Whether the programs that keep clients out, cut the site off and start it are on this machine, and what a lease costs.
// None of them is run.
import { isAbsolute } from 'node:path';
import type { SiteConfiguration } from '../domain/configuration/schema.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';
import { firstWith, pathFolders } from './doctor-programs.ts';

/** One section with a finding for each program; none where the site names no commands. */
export async function checkHandover({
  quiesce,
  fence,
  agent,
}: Pick<SiteConfiguration, 'quiesce' | 'fence' | 'agent'>): Promise<
  { readonly title: string; readonly findings: Finding[] }[]
> {
  const looks = [
    ...commandsOf('quiesce', quiesce).map((one) => lookFor(one, 'the worker of this site runs it')),
    ...commandsOf('fence', fence).map((one) => lookFor(one, 'the witness runs it')),
    ...commandsOf('agent.start', agentSet(agent?.start)).map((one) => lookFor(one, BY_AGENT)),
    ...commandsOf('agent.fence', agentSet(agent?.fence)).map((one) => lookFor(one, BY_AGENT)),
  ];
  const findings = [...(await Promise.all(looks)), ...leaseFindings(agent)];
  return findings.length === 0 ? [] : [{ title: 'handing over', findings }];
}

const BY_AGENT = "'dr agent' of this site runs it";

/** The price of a lease is no fault: whoever turned it on is told what it is. */
function leaseFindings(agent: SiteConfiguration['agent']): Finding[] {
  if (agent?.lease === undefined) return [];
  const { length, stores } = agent.lease;
  const message = `the site stops serving when neither ${stores.join(' nor ')} was reached for ${length}, also when nobody took over`;
  return [{ level: 'ok', subject: 'lease', message, code: null }];
}

interface Named {
  readonly subject: string;
  readonly program: string;
}

interface CommandSet {
  readonly commands: readonly (readonly string[])[];
  readonly undo?: readonly (readonly string[])[] | undefined;
}

const agentSet = (commands: CommandSet['commands'] | undefined): CommandSet => ({ commands: commands ?? [] });

function commandsOf(name: string, set: CommandSet | undefined): readonly Named[] {
  const named = (what: string, commands: readonly (readonly string[])[] = []) =>
    commands.map(([program = ''], index) => ({ subject: `${what} command ${index + 1}`, program }));
  return [...named(name, set?.commands), ...named(`${name}.undo`, set?.undo)];
}

// Where it runs may be another machine than the one that is looked at: that is told, and is no failure here.
async function lookFor({ subject, program }: Named, where: string): Promise<Finding> {
  const path = await firstWith(isAbsolute(program) ? ['/'] : pathFolders(), program);
  return path !== null
    ? { level: 'ok', subject, message: program, code: null }
    : {
        level: 'warning',
        subject,
        message: `'${program}' is not on this machine; ${where}`,
        code: 'TOOL_MISSING',
        mend: 'install it where it runs',
      };
}
