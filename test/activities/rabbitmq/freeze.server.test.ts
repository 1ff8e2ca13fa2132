import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { prepareFreeze } from '../../../activities/rabbitmq/freeze.ts';

const LIMIT_MS = 60_000;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-freeze-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A node with one child, by the program of the node: it says the child's process id and then stands in for a broker. */
async function startNode(program: string) {
  const node = spawn('sh', ['-c', program], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(createInterface({ input: node.stdout }), 'line')) as [string];
  const pidFile = join(directory, `${node.pid}.pid`);
  await writeFile(pidFile, `${node.pid}\n`);
  return { node, pid: node.pid as number, child: Number(line), pidFile };
}

/** The state letter of a process; null when it is gone. */
function stateOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.[0] ?? null;
  } catch {
    return null;
  }
}

it.each([
  ['and was reaped', 'sleep 1000 & echo $!; while :; do wait; done', null],
  ['and is a zombie of its stopped parent', 'sleep 1000 & echo $!; exec sleep 1001', 'Z'],
])('freezes a node whose short-lived child ended before the freeze %s', async (_, program, afterwards) => {
  const { node, pid, child, pidFile } = await startNode(program);
  const freezer = await prepareFreeze({ method: 'process', pidFile }, LIMIT_MS);
  process.kill(child, 'SIGKILL');
  await vi.waitFor(() => expect(stateOf(child)).toBe(afterwards), { timeout: 30_000 });
  await freezer.freeze();
  expect(stateOf(pid)).toBe('T');
  expect((await freezer.thaw()).wasFrozen).toBe(true);
  expect(stateOf(pid)).not.toBe('T');
  node.kill('SIGKILL');
});

// A process stops a moment after the signal: a hook returns when it has.
const STOP = 'kill -STOP "$1"; until grep -q "^State:.T (stopped)" /proc/"$1"/status; do :; done';
const stopHook = (pid: number) => ['/bin/sh', '-c', STOP, 'sh', String(pid)];

it('freezes by a hook, and calls a thaw hook that fails until it works', async () => {
  const { node, pid, child } = await startNode('sleep 1000 & echo $!; exec sleep 1001');
  const failsOnce = 'test -e "$2" || { touch "$2"; exit 1; }; kill -CONT "$1"';
  const thaw = ['/bin/sh', '-c', failsOnce, 'sh', String(pid), join(directory, 'failed-once')];
  const freezer = await prepareFreeze({ method: 'hook', freeze: stopHook(pid), thaw }, LIMIT_MS);
  await freezer.freeze();
  expect(stateOf(pid)).toBe('T');
  expect((await freezer.thaw()).wasFrozen).toBe(true);
  expect(stateOf(pid)).not.toBe('T');
  for (const one of [pid, child]) process.kill(one, 'SIGKILL');
  expect(node.pid).toBe(pid);
});

it('thaws when the freeze hook hangs beyond the limit, and says that the broker was not frozen', async () => {
  const { pid, child } = await startNode('sleep 1000 & echo $!; exec sleep 1001');
  const hangs = ['/bin/sh', '-c', 'kill -STOP "$1"; exec sleep 1000', 'sh', String(pid)];
  const thaw = ['/bin/sh', '-c', 'kill -CONT "$1"', 'sh', String(pid)];
  const freezer = await prepareFreeze({ method: 'hook', freeze: hangs, thaw }, 300);
  await expect(freezer.freeze()).rejects.toMatchObject({ code: 'TOOL_FAILED' });
  await vi.waitFor(() => expect(stateOf(pid)).not.toBe('T'), { timeout: 30_000 });
  for (const one of [pid, child]) process.kill(one, 'SIGKILL');
});

it('freezes nothing when the node itself is another process than the one that was found', async () => {
  const { node, pid, pidFile, child } = await startNode('sleep 1000 & echo $!; exec sleep 1001');
  const freezer = await prepareFreeze({ method: 'process', pidFile }, LIMIT_MS);
  node.kill('SIGKILL');
  await once(node, 'exit');
  await expect(freezer.freeze()).rejects.toMatchObject({ code: 'TOOL_FAILED' });
  expect([stateOf(pid), stateOf(child)]).not.toContain('T');
  process.kill(child, 'SIGKILL');
});
