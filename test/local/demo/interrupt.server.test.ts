import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const DEMO = fileURLToPath(new URL('../../../local/demo.ts', import.meta.url));

let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'hf-'));
  await chmod(temporary, 0o711); // Stores may run as another user.
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

function startDemo(): ChildProcess {
  return spawn(process.execPath, [DEMO, '--scale', '0.01'], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Sends `signal` when the demo prints `words`, and returns how it ended and what it printed. */
function interruptAt(demo: ChildProcess, words: string, signal: NodeJS.Signals) {
  let seen = '';
  demo.stdout?.on('data', (chunk) => {
    const before = seen;
    seen += chunk;
    if (!before.includes(words) && seen.includes(words)) demo.kill(signal);
  });
  demo.stderr?.on('data', (chunk) => {
    seen += chunk;
  });
  return new Promise<{ code: number | null; seen: string }>((resolve) =>
    demo.once('close', (code) => resolve({ code, seen })),
  );
}

function processesBelow(directory: string): string[] {
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return processes.filter((line) => line.includes(directory));
}

test.each([
  ['while servers are starting', 'Start a platform', 'SIGINT'],
  ['while data is loading', 'Load data', 'SIGINT'],
  ['while a backup is taken', 'Back everything up', 'SIGTERM'],
] as const)('a demo that is interrupted %s leaves neither processes nor files', async (_, words, signal) => {
  const { code, seen } = await interruptAt(startDemo(), words, signal);
  expect(code, seen).toBe(130);
  expect(await readdir(temporary)).toEqual([]);
  expect(processesBelow(temporary)).toEqual([]);
});
