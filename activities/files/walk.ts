// Finds the files below a root that patterns select, without following any link.
import { readdir } from 'node:fs/promises';
import type { PathFilter } from '../../domain/files/glob.ts';
import { ancestorsOf, linkFault, pathFault } from '../../domain/files/path-safety.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import type { LeftOut, Listing } from './collection.ts';
import { textOfName } from './names.ts';
import { Folder, isAbsent, isNoFolder } from './place.ts';

/** Selected files, links and folders and the folders that lead to them, ordered so that a folder comes first. */
export async function listBelow(root: string, filter: PathFilter): Promise<Listing> {
  const folder = await Folder.open(root);
  const found: string[] = [];
  const leftOut: LeftOut[] = [];
  try {
    await walk({ root, filter, found, leftOut }, folder, '');
  } finally {
    await folder.close();
  }
  const folders = found.flatMap(ancestorsOf);
  const paths = [...new Set([...folders, ...found])].sort(byParts);
  return { paths, leftOut };
}

// By parts, so that `a/b` directly follows `a` and never `a-b`.
const byParts = (a: string, b: string) => (a.replaceAll('/', '\0') < b.replaceAll('/', '\0') ? -1 : 1);

interface Walk {
  readonly root: string;
  readonly filter: PathFilter;
  readonly found: string[];
  readonly leftOut: LeftOut[];
}

async function walk(state: Walk, folder: Folder, prefix: string): Promise<void> {
  throwIfCancelled();
  const entries = await readdir(folder.pathOf(''), { withFileTypes: true, encoding: 'buffer' });
  for (const entry of entries) {
    const path = `${prefix}${textOfName(entry.name)}`;
    if (entry.isDirectory()) await visitFolder(state, folder, entry.name, path);
    else if (state.filter.selects(path)) await take(state, folder, entry, path);
  }
}

async function visitFolder(state: Walk, folder: Folder, name: Buffer, path: string): Promise<void> {
  const isSelected = state.filter.selects(path);
  if (!isSelected && !state.filter.mayLeadTo(path)) return;
  // What is in a folder of such a name has that name too: one of them would make the whole backup unfit to restore.
  const fault = pathFault(path);
  if (fault !== null) return void state.leftOut.push({ path, why: fault });
  if (isSelected) state.found.push(path);
  const inner = await folder.openFolder(name).catch((error) => {
    if (isAbsent(error) || isNoFolder(error)) return null; // It vanished, or was replaced: what is there now is not it.
    throw error;
  });
  if (inner === null) return;
  try {
    await walk(state, inner, `${path}/`);
  } finally {
    await inner.close();
  }
}

interface Kind {
  readonly name: Buffer;
  isFile(): boolean;
  isSymbolicLink(): boolean;
}

async function take(state: Walk, folder: Folder, entry: Kind, path: string): Promise<void> {
  const fault = pathFault(path) ?? (await kindFault(state, folder, entry, path));
  if (fault === null) state.found.push(path);
  else state.leftOut.push({ path, why: fault });
}

async function kindFault(state: Walk, folder: Folder, entry: Kind, path: string): Promise<string | null> {
  if (entry.isFile()) return null;
  if (!entry.isSymbolicLink()) return 'is a device, a socket or a pipe';
  const target = textOfName(await folder.readLink(entry.name));
  const fault = linkFault(path, target, state.root);
  return fault === null ? null : `is a link that ${fault}: ${JSON.stringify(target)}`;
}
