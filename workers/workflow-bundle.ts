// The workflows' code as one file, made once for each state of the sources: a worker with a ready bundle starts in a
// fraction of a second and holds no bundler in memory. Its name is the digest of what it was made of, so a stale one is
// never run. `npm run build:workflows` makes it before the first worker does.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROGRAM = fileURLToPath(import.meta.url);
const WORKFLOWS = join(ROOT, 'workflows/index.ts');
const INTERCEPTORS = join(ROOT, 'workflows/support/journal-notes.ts');

/** Path of a bundle that fits the sources; it is made when it is not there. Two makers end with the same file. */
export async function workflowBundle(): Promise<string> {
  const path = join(ROOT, 'node_modules/.cache/holdfast', `workflows-${await digestOfSources()}.js`);
  if (await stat(path).catch(() => null)) return path;
  // In a process of its own: the bundler's memory goes with it.
  await promisify(execFile)(process.execPath, [PROGRAM, path], { maxBuffer: 16 * 1024 * 1024 });
  return path;
}

async function digestOfSources(): Promise<string> {
  const hash = createHash('sha256');
  for (const room of ['domain', 'workflows']) {
    const names = (await readdir(join(ROOT, room), { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
    for (const name of names) hash.update(`${room}/${name}\0`).update(await readFile(join(ROOT, room, name)));
  }
  for (const file of ['package-lock.json', 'workers/workflow-bundle.ts']) hash.update(await readFile(join(ROOT, file)));
  return hash.digest('hex').slice(0, 16);
}

async function makeBundle(path: string): Promise<void> {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: WORKFLOWS,
    workflowInterceptorModules: [INTERCEPTORS],
  });
  await mkdir(join(path, '..'), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, code);
  await rename(temporary, path);
}

// As a program: makes the bundle of a path, or the one that fits the sources and tells where it is.
if (process.argv[1] === PROGRAM) {
  const [, , path] = process.argv;
  if (path !== undefined) await makeBundle(path);
  else process.stdout.write(`${await workflowBundle()}\n`);
}
