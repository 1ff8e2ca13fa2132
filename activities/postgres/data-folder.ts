// The live data folder changes places with a restored one, on the same file system, and back.
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../domain/failures.ts';

/** Where the restored folder waits and where the replaced one stays. */
export interface Layout {
  readonly data: string;
  readonly staged: string;
  readonly kept: string;
  /** A mount point cannot be renamed: its contents move instead, into folders inside of it. */
  readonly isMount: boolean;
}

/** The layout of one run. Both folders are on the data folder's own file system. */
export async function layoutOf(data: string, run: string): Promise<Layout> {
  const isMount = await isMountPoint(data);
  const at = (word: string) => (isMount ? join(data, `.holdfast-${word}-${run}`) : `${data}.${word}-${run}`);
  return { data, staged: at('restoring'), kept: at('kept'), isMount };
}

async function isMountPoint(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  const [own, parent] = await Promise.all([stat(path), stat(dirname(path))]);
  return own.dev !== parent.dev;
}

/** Lies in a folder that was restored, and names the run. */
export const RESTORED_MARK = 'holdfast.restored';

/** Marks a restored data folder as this run's, so that swap and undo know which one they see. */
export async function markRestored(folder: string, run: string): Promise<void> {
  await writeFile(join(folder, RESTORED_MARK), `${run}\n`, { mode: 0o644 });
}

async function isRestored(folder: string, run: string): Promise<boolean> {
  return (await readFile(join(folder, RESTORED_MARK), 'utf8').catch(() => '')).trim() === run;
}

/** Moves the old data aside and the restored into its place. Repeat: finishes what was begun. */
export async function swapFolders(layout: Layout, run: string): Promise<void> {
  if (await isRestored(layout.data, run)) return;
  if (!(await isRestored(layout.staged, run)))
    throw new Failure('PLAN_CHANGED', `the restored data folder is not at '${layout.staged}'`);
  await move(layout, layout.data, layout.kept);
  await move(layout, layout.staged, layout.data);
}

/** The reverse: restored back to where it waited, the old one back in its place. Repeat: finishes what was begun. */
export async function swapFoldersBack(layout: Layout, run: string): Promise<void> {
  if (await isRestored(layout.data, run)) await move(layout, layout.data, layout.staged);
  if (existsSync(layout.kept)) await move(layout, layout.kept, layout.data);
}

async function move(layout: Layout, from: string, to: string): Promise<void> {
  if (!existsSync(from)) return;
  await (layout.isMount ? moveContents(layout, from, to) : rename(from, to));
  await syncFolder(dirname(to));
}

// The mark moves last out of a restored folder's old place, so an interrupted move is seen as not done.
async function moveContents(layout: Layout, from: string, to: string): Promise<void> {
  const { mode, uid, gid } = await stat(layout.data);
  await mkdir(to, { recursive: true, mode: 0o700 });
  const handle = await open(to, 'r');
  await handle.chown(uid, gid).finally(() => handle.close());
  await chmod(to, mode & 0o777);
  const own = new Set([basename(layout.staged), basename(layout.kept)]);
  const names = (await readdir(from)).filter((name) => from !== layout.data || !own.has(name));
  const ordered = [
    ...names.filter((name) => name !== RESTORED_MARK),
    ...names.filter((name) => name === RESTORED_MARK),
  ];
  for (const name of ordered) await rename(join(from, name), join(to, name));
  if (from !== layout.data) await rm(from, { recursive: true, force: true });
  await syncFolder(to);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}
