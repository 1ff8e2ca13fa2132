// How long a person waits for the help.
import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Bench } from '../measurement.ts';

const run = promisify(execFile);
const COMMAND = fileURLToPath(new URL('../../client/dr.mjs', import.meta.url));
const RUNS = 15;

/** `client/dr.mjs --help` by the Node that the machine has: npm would put the project's own first on PATH. */
export async function measureCommand({ samples }: Bench): Promise<void> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const env = { PATH: folders.join(delimiter), HOME: process.env.HOME ?? '/' };
  await run(COMMAND, ['--help'], { env }); // The first one reads the disk.
  for (let n = 0; n < RUNS; n++) {
    const started = performance.now();
    await run(COMMAND, ['--help'], { env });
    samples.add('dr-help', performance.now() - started);
  }
}
