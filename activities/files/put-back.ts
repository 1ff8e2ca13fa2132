// The undo of a live restore: puts back what was kept, newest first, also when the restore stopped in the middle.
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { FOREIGN, type JournalLine, type Kept } from './kept.ts';
import { isAbsent, type Place } from './place.ts';
import { describeAll, isAlike, isEqual, pathsOf, type Target, writeLinked } from './replace.ts';
import { finishFolder, removeIfThere, type WriteRules } from './write-entry.ts';

/** Puts back what the journal says was there before. What someone wrote since is kept too, and told. */
export async function putBack(
  target: Target,
  journal: readonly JournalLine[],
  kept: Kept,
  rules: WriteRules,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const line of inOrder(journal)) {
    throwIfCancelled();
    const finding = await target.withPlace(line.path, line.before !== null, async (place) =>
      place === null ? null : putBackOne(target, place, line, kept, rules),
    );
    if (finding) findings.push(finding);
  }
  for (const { path, before } of journal.filter(isOldFolder).toReversed()) {
    await target.withPlace(path, false, async (place) => {
      if (place && before) await finishFolder(place, before, rules.accounts);
    });
  }
  return findings;
}

const isOldFolder = ({ before }: JournalLine): boolean => before?.kind === 'directory';

// Folders of before must be there for what lies in them; folders that are new must be empty when they go; a further name
// of a file comes after its first.
function inOrder(journal: readonly JournalLine[]): readonly JournalLine[] {
  const isLinked = ({ before }: JournalLine) => before !== null && before.linkedTo !== null;
  const others = journal.toReversed().filter((line) => !isOldFolder(line) && !isLinked(line));
  return [...journal.filter(isOldFolder), ...others, ...journal.filter(isLinked)];
}

async function putBackOne(
  target: Target,
  place: Place,
  line: JournalLine,
  kept: Kept,
  rules: WriteRules,
): Promise<Finding | null> {
  await removeIfThere(place.folder, rules.temporaryName);
  const now = (await describeAll(target, pathsOf([line]), rules.accounts)).get(line.path) ?? null;
  if (isEqual(now, line.before)) return null;
  const isForeign = now !== null && now.kind !== 'directory' && !isAlike(now, line.after) && !isAlike(now, line.before);
  if (isForeign) await kept.copy(place, line.path, FOREIGN);
  if (line.before !== null) await writeLinked(target, place, line.before, rules);
  else if (now !== null && !(await removeNew(place, now))) {
    return warning('folder', line.path, 'was made by the restore and stays: others put files into it');
  }
  await place.folder.sync();
  return isForeign ? warning('file', line.path, 'was changed after the restore; that version is kept') : null;
}

async function removeNew({ folder, name }: Place, now: FileEntry): Promise<boolean> {
  const removal = now.kind === 'directory' ? folder.removeFolder(name) : folder.remove(name);
  return removal.then(
    () => true,
    (error) => {
      if (error.code === 'ENOTEMPTY') return false;
      if (isAbsent(error)) return true;
      throw error;
    },
  );
}

function warning(what: string, path: string, message: string): Finding {
  return { level: 'warning', subject: `${what} ${JSON.stringify(path)}`, message, code: null };
}
