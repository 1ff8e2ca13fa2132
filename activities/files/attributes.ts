// What a file has beside content, mode and owner: extended attributes, and with them ACLs and capabilities. They are not
// in a backup; what has them is told, so that nobody learns it from a restored file.
import { text } from 'node:stream/consumers';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { startTool } from '../shared/run-tool.ts';
import type { FileCollection } from './collection.ts';
import { bytesOfName } from './names.ts';

const SHOWN = 5;
/** The policy of the machine gives it to a restored file by itself. */
const BY_POLICY = /^security\.selinux$/;

/** A finding when some of the paths have attributes, or when nobody can tell; none when there is nothing to tell. */
export async function attributeFindings(
  { locationOf }: FileCollection,
  paths: readonly string[],
): Promise<readonly Finding[]> {
  try {
    const found = attributesIn(await ask(await Promise.all(paths.map(locationOf))));
    if (found.length === 0) return [];
    const more = found.length > SHOWN ? ` and ${found.length - SHOWN} more` : '';
    return [warning(`are not backed up: ${found.slice(0, SHOWN).join(', ')}${more}`)];
  } catch (error) {
    if (!(error instanceof Failure) || !CANNOT_LOOK.includes(error.code)) throw error;
    const mend = error.details.status === NOT_FOUND ? { mend: 'apt-get install attr' } : {};
    return [{ ...warning(`cannot be looked for, and are not backed up: ${error.message}`), ...mend }];
  }
}

// Without the answer a backup is what it was: the warning says what nobody knows.
const CANNOT_LOOK: readonly string[] = ['TOOL_FAILED', 'TOOL_MISSING'];

/** What xargs ends with when a program is not there, and when a call of it failed. */
const [NOT_FOUND, CALL_FAILED] = [127, 123];
const ONLY_VANISHED = /^(getfattr: .*: No such file or directory\n)*$/;

// Names go through a pipe as bytes, because an argument of ours can only be UTF-8.
async function ask(locations: readonly string[]): Promise<string> {
  const names = Buffer.concat(locations.flatMap((location) => [bytesOfName(location), Buffer.of(0)]));
  const getfattr = ['getfattr', '--no-dereference', '--absolute-names', '--match=-', '--'];
  const tool = startTool({ command: 'xargs', args: ['--null', '--no-run-if-empty', ...getfattr] });
  tool.stdin.end(names);
  const [answer] = await Promise.all([text(tool.stdout), tool.finished.catch(allowVanished)]);
  return answer;
}

function allowVanished(error: unknown): void {
  const { status, words } = error instanceof Failure ? error.details : {};
  if (status !== CALL_FAILED || !ONLY_VANISHED.test(String(words))) throw error;
}

/** `'/a/b' (user.x, system.posix_acl_access)` for each file of getfattr's answer, names escaped as it does. */
function attributesIn(answer: string): string[] {
  return [...answer.matchAll(/^# file: (.*)\n((?:.+\n)*)/gm)].flatMap(([, name, lines = '']) => {
    const kept = lines.split('\n').filter((line) => line !== '' && !BY_POLICY.test(line));
    return kept.length === 0 ? [] : [`'${name}' (${kept.join(', ')})`];
  });
}

const warning = (message: string): Finding => ({
  level: 'warning',
  subject: 'extended attributes and ACLs',
  message,
  code: null,
});
