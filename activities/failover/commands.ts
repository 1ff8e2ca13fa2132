// Commands of the configuration that act on a whole site: run side by side, each within its limit, never through a shell.
import { durationMs } from '../../domain/configuration/schema.ts';
import { Failure } from '../../domain/failures.ts';
import { startTool } from '../shared/run-tool.ts';

export interface SiteCommands {
  readonly commands: readonly (readonly string[])[];
  readonly limit: string;
}

/** Of a site that names no commands. */
export const DEFAULT_LIMIT = '60s';

/** How one command ended: null when it ended well. */
export interface CommandEnd {
  readonly program: string;
  readonly trouble: string | null;
}

/** Runs every command to its end, whatever becomes of the others. */
export function runCommands({ commands, limit }: SiteCommands): Promise<readonly CommandEnd[]> {
  return Promise.all(commands.map((command) => runCommand(command, durationMs(limit))));
}

/** Like `runCommands`. @throws {Failure} TOOL_FAILED naming every command that did not end well. */
export async function requireCommands(what: string, wanted: SiteCommands): Promise<void> {
  const failed = (await runCommands(wanted)).filter(({ trouble }) => trouble !== null);
  if (failed.length === 0) return;
  const told = failed.map(({ program, trouble }) => `'${program}': ${trouble}`).join('; ');
  throw new Failure('TOOL_FAILED', `${what}: ${told}`);
}

async function runCommand(command: readonly string[], limitMs: number): Promise<CommandEnd> {
  const [program = '', ...args] = command;
  const tool = startTool({ command: program, args, killAfterMs: 1000 });
  tool.stdin.end();
  tool.stdout.resume();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    void tool.stop();
  }, limitMs);
  try {
    await tool.finished;
    return { program, trouble: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { program, trouble: isLate ? `it did not end within ${limitMs / 1000} s` : error.message };
  } finally {
    clearTimeout(timer);
  }
}
