// Resident memory of the worker's own process: its peak is reset before each run and read after it. Child processes
// (pg_basebackup, tar, scratch servers) are not in it.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { dropDatabase, makePgbench } from '../dataset.ts';
import type { Bench } from '../measurement.ts';

const SETTLE_MS = 10_000;
const STARTED_WITHIN_MS = 60_000;
const RESET_PEAK = '5'; // proc(5), /proc/pid/clear_refs
const SIZES = [
  { name: '300mb', scale: 18 },
  { name: '3gb', scale: 195 },
] as const;

export async function measureWorkerMemory(bench: Bench): Promise<void> {
  const { stage, samples, runs, small, say } = bench;
  await stage.replaceWorker();
  const pid = await workerProcess(stage.product.workerPid);
  if (!small) await wait(SETTLE_MS);
  for (let run = 0; run < runs; run++) {
    samples.add('worker-idle', await residentMib(pid, 'VmRSS'));
    await wait(200);
  }
  const idle = await residentMib(pid, 'VmRSS');
  for (const { name, scale } of SIZES) {
    await makePgbench(stage, 'memory', small ? 1 : scale);
    for (let run = 1; run <= runs; run++) {
      const backup = (await peakOf(pid, () => stage.dr('backup', 'postgres', '--kind', 'physical'))) - idle;
      const restore = (await peakOf(pid, () => stage.dr('restore', 'postgres', '--kind', 'physical', '--test'))) - idle;
      say(`${name}, run ${run}: ${backup.toFixed(0)} MiB and ${restore.toFixed(0)} MiB above ${idle.toFixed(0)} MiB`);
      samples.add(`worker-backup-${name}`, backup);
      samples.add(`worker-restore-${name}`, restore);
    }
    await dropDatabase(stage, 'memory');
  }
  addGrowth(bench, idle);
}

function addGrowth({ samples, runs }: Bench, idle: number): void {
  const peak = (size: string, run: number) =>
    idle + Math.max(...['backup', 'restore'].map((act) => samples.runsOf(`worker-${act}-${size}`)[run] ?? 0));
  for (let run = 0; run < runs; run++) samples.add('worker-growth', peak('3gb', run) / peak('300mb', run));
}

// `dr worker` stands in front of the process that does the work, which may not be there yet.
async function workerProcess(started: number): Promise<number> {
  for (const deadline = Date.now() + STARTED_WITHIN_MS; Date.now() < deadline; await wait(100)) {
    const pid = await childOf(started);
    if (pid !== null) return pid;
  }
  throw new Error(`process ${started} has started no worker`);
}

async function childOf(started: number): Promise<number | null> {
  for (const name of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const [status, command] = await Promise.all(
      ['status', 'cmdline'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    );
    if (status?.includes(`\nPPid:\t${started}\n`) && command?.includes('workers/main.ts')) return Number(name);
  }
  return null;
}

async function peakOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  await writeFile(`/proc/${pid}/clear_refs`, RESET_PEAK);
  await work();
  return residentMib(pid, 'VmHWM');
}

async function residentMib(pid: number, line: 'VmRSS' | 'VmHWM'): Promise<number> {
  const found = new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (found === undefined) throw new Error(`process ${pid} has no ${line}`);
  return Number(found) / 1024;
}
