// Whether the programs that keep clients out and cut the site off are on this machine. None of them is run.
import { isAbsolute } from 'node:path';
import type { SiteConfiguration } from '../domain/configuration/schema.ts';
import type { Finding } from '../domain/contracts/protected-system.ts';
import { firstWith, pathFolders } from './doctor-programs.ts';

/** One section with a finding for each program; none where the site names no commands. */
export async function checkHandover({
  quiesce,
  fence,
}: Pick<SiteConfiguration, 'quiesce' | 'fence'>): Promise<{ readonly title: string; readonly findings: Finding[] }[]> {
  const looks = [
    ...commandsOf('quiesce', quiesce).map((one) => lookFor(one, 'the worker of this site runs it')),
    ...commandsOf('fence', fence).map((one) => lookFor(one, 'the witness runs it')),
  ];
  return looks.length === 0 ? [] : [{ title: 'handing over', findings: await Promise.all(looks) }];
}

interface Named {
  readonly subject: string;
  readonly program: string;
}

function commandsOf(name: string, set: SiteConfiguration['fence'] | SiteConfiguration['quiesce']): readonly Named[] {
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
