import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEMS } from '../../../domain/systems.ts';

const DEMO = fileURLToPath(new URL('../../../local/demo.ts', import.meta.url));
const MINUTES = 60_000;

let temporary: string;
let ended: { readonly code: number; readonly output: string };

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'hf-')); // Short: the path of a socket has 107 characters at most.
  await chmod(temporary, 0o711); // Stores may run as another user.
  const env = { ...process.env, TMPDIR: temporary };
  ended = await new Promise((resolve) => {
    execFile(process.execPath, [DEMO, 'backup', '--scale', '0.01'], { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr }),
    );
  });
}, 6 * MINUTES);
afterAll(() => rm(temporary, { recursive: true, force: true }));

test('the main job on a small part of the data brings everything back that was destroyed', () => {
  expect(ended.code, ended.output).toBe(0);
  expect(ended.output).toContain('Everything is back');
  expect(ended.output).not.toMatch(/^ {2}NO /m);
});

test('the closing tables tell every system, each back within its objective', () => {
  const tables = ended.output.slice(ended.output.indexOf('What was lost and came back'));
  for (const { title } of Object.values(SYSTEMS))
    expect(tables).toMatch(new RegExp(`^ {2}${title} .* met +the same$`, 'm'));
});

test('nothing stays behind', async () => {
  expect(await readdir(temporary)).toEqual([]);
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  expect(processes.filter((line) => line.includes(temporary))).toEqual([]);
});
