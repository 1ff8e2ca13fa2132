// Holding a broker still for a moment. The stop and the thaw are done by a process of their own (thaw-watchdog.mjs),
// because this worker may be killed at any time and a broker that stays frozen is worse than no backup.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../domain/failures.ts';
import { bareEnvironment } from '../shared/run-tool.ts';

export type FreezeMethod =
  | { readonly method: 'process'; readonly pidFile: string }
  | { readonly method: 'hook'; readonly freeze: readonly string[]; readonly thaw: readonly string[] };

export interface Freezer {
  /** Freezes, and returns when every thread stands still. @throws {Failure} NO_FILE_ACCESS, TOOL_FAILED; thawed then. */
  freeze(): Promise<void>;
  /**
   * Thaws.
   * @returns how long the broker stood still, and whether it was still frozen when asked: when not, whatever was read
   * meanwhile is not of one moment.
   */
  thaw(): Promise<{ readonly heldMs: number; readonly wasFrozen: boolean }>;
}

interface FrozenProcess {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot: a pid that was used again has another one. */
  readonly startTicks: string;
}

const WATCHDOG = fileURLToPath(new URL('./thaw-watchdog.mjs', import.meta.url));

/** Starts the watchdog; nothing is frozen yet. @throws {Failure} NO_FILE_ACCESS when the node's processes are not here. */
export async function prepareFreeze(method: FreezeMethod, limitMs: number): Promise<Freezer> {
  const plan =
    method.method === 'hook'
      ? { limitMs, processes: [], freeze: method.freeze, thaw: method.thaw }
      : { limitMs, processes: await processesOf(method.pidFile) };
  const child = spawn(process.execPath, [WATCHDOG], {
    detached: true, // A session and process group of its own: what ends the worker's group does not reach it.
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
    env: bareEnvironment(),
  });
  child.stdin.on('error', () => undefined); // Its end is told by its last line, or by the lack of one.
  const heard = lines(child, createInterface({ input: child.stdout }));
  child.stdin.write(`${JSON.stringify(plan)}\n`);
  await expectLine(heard, 'ready');
  return {
    freeze: async () => {
      child.stdin.write('freeze\n');
      await expectLine(heard, 'frozen');
    },
    thaw: async () => {
      child.stdin.end('thaw\n');
      const [word, held] = await heard();
      if (word === 'stuck')
        throw new Failure('TOOL_FAILED', `the broker may still be frozen, thaw it by hand: the hook failed: ${held}`);
      return { heldMs: Number(held), wasFrozen: word === 'thawed' };
    },
  };
}

/** The node's virtual machine and everything below it. @throws {Failure} NO_FILE_ACCESS when it does not run here. */
async function processesOf(pidFile: string): Promise<FrozenProcess[]> {
  const pid = Number((await readFile(pidFile, 'utf8').catch(noNode(pidFile))).trim());
  const all = await processTable();
  if (!Number.isInteger(pid) || !all.has(pid)) noNode(pidFile)();
  const chosen = new Set([pid]);
  for (let grew = true; grew; ) {
    const below = [...all].filter(([child, { parent }]) => chosen.has(parent) && !chosen.has(child));
    for (const [child] of below) chosen.add(child);
    grew = below.length > 0;
  }
  return [...chosen].map((one) => ({ pid: one, startTicks: all.get(one)?.startTicks ?? '' }));
}

function noNode(pidFile: string): (cause?: unknown) => never {
  return (cause) => {
    throw new Failure('NO_FILE_ACCESS', `the broker's process is not known here: '${pidFile}' names none`, {}, cause);
  };
}

async function processTable(): Promise<Map<number, { parent: number; startTicks: string }>> {
  const table = new Map<number, { parent: number; startTicks: string }>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => null); // It ended meanwhile.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
    if (fields) table.set(Number(name), { parent: Number(fields[1]), startTicks: fields[19] ?? '' });
  }
  return table;
}

type Heard = () => Promise<readonly [string, string]>;

// The watchdog's lines in order; a watchdog that ends without a word is a failure, never silence.
function lines(child: ChildProcess, reader: Interface): Heard {
  const iterator = reader[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await iterator.next();
    if (done) {
      throw new Failure('TOOL_FAILED', `the watchdog that thaws the broker ended by itself (${child.exitCode})`);
    }
    const [word = '', ...rest] = String(value).split(' ');
    return [word, rest.join(' ')];
  };
}

async function expectLine(heard: Heard, wanted: string): Promise<void> {
  const [word, rest] = await heard();
  if (word !== wanted) throw new Failure('TOOL_FAILED', `the broker could not be frozen: ${word} ${rest}`);
}
