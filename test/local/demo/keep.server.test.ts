import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stopKept, writeKept } from '../../../local/demo/keep.ts';
import { startPlatform } from '../../../local/platform.ts';

test('a platform that was kept is ended later by its folder alone, without processes or files left', async () => {
  const platform = await startPlatform();
  const worker = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => worker.once('exit', (_, signal) => resolve(signal)));
  await writeKept(platform, [worker.pid ?? -1]);
  await stopKept(platform.directory);
  expect(await ended).toBe('SIGTERM');
  expect(existsSync(platform.directory)).toBe(false);
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  expect(processes.filter((line) => line.includes(platform.directory))).toEqual([]);
});

test('a folder that is not of a kept platform is refused and stays', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-other-'));
  await expect(stopKept(directory)).rejects.toThrow('running.json');
  expect(existsSync(directory)).toBe(true);
  await rm(directory, { recursive: true });
});
