// `npm run soak -- --minutes N --seed S`: faults at random under a live load of markers, a restore every half minute, and
// the oracles as judges. The same seed gives the same choice of faults; when they strike a run depends on the machine.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { loadDataset } from '../../local/dataset.ts';
import { makePassage } from '../../local/folders.ts';
import { markerStores } from '../../local/marker-stores.ts';
import { startHarness } from '../integration/harness.ts';
import { chanceFrom } from './chance.ts';
import { FAULTS } from './faults.ts';
import { judgeTheEnd } from './last-judgement.ts';
import { type Judge, makeJudge, ORACLES } from './oracles.ts';
import { backUpEverything, ROUNDS, type Soak } from './rounds.ts';
import { startWorkload } from './workload.ts';

const run = promisify(execFile);
const ROUND_EVERY_MS = 30_000;
const FAULTS_EVERY_MS = 60_000;
const BACKUP_PAUSE_MS = 10_000;
const SPOOL_BYTES = 256 * 1024 * 1024;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    report: { type: 'string', default: 'test-results/soak.json' },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
const beganAt = Date.now();
const lines: string[] = [];

function tell(line: string): void {
  const at = ((Date.now() - beganAt) / 1000).toFixed(0).padStart(5);
  lines.push(`${at} s  ${line}`);
  process.stdout.write(`${at} s  ${line}\n`);
}

process.exitCode = await main();

async function main(): Promise<number> {
  tell(`soak of ${minutes} minutes, seed ${seed} (repeat with --seed ${seed})`);
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-soak-'));
  const judge = makeJudge(({ oracle, what }) => tell(`VIOLATION of ${oracle} (${ORACLES[oracle]}): ${what}`));
  const releaseSpool = await limitSpool(directory);
  try {
    await soak(directory, judge, releaseSpool);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  await writeReport(judge);
  for (const [oracle, count] of Object.entries(judge.judged)) tell(`${oracle}: judged ${count} times`);
  tell(`${judge.violations.length} violations`);
  return judge.violations.length === 0 ? 0 : 1;
}

/** A file system of its own for the spool, small enough to be filled: only root can have one. */
async function limitSpool(directory: string): Promise<() => Promise<void>> {
  await makePassage(directory);
  const spool = join(directory, 'spool');
  await mkdir(spool, { mode: 0o700 });
  if (process.getuid?.() !== 0) return async () => undefined;
  await run('mount', ['-t', 'tmpfs', '-o', `size=${SPOOL_BYTES},mode=0700`, 'tmpfs', spool]);
  return async () => void (await run('umount', [spool]));
}

async function soak(directory: string, judge: Judge, releaseSpool: () => Promise<void>): Promise<void> {
  const harness = await startHarness({ directory }).catch(async (error) => {
    await releaseSpool();
    throw error;
  });
  try {
    await loadDataset(harness.platform.site.access, { scale: 0.05, seed: 1 });
    await harness.startWorker();
    const workloads = await Promise.all(markerStores(harness.platform.site.access).map(startWorkload));
    let number = 0;
    const nextId = (word: string) => `soak-${word}-${++number}`;
    const one: Soak = { harness, chance: chanceFrom(seed), judge, workloads, nextId };
    tell('platform, worker and workload run');
    judge.backedUp(await backUpEverything(one));
    const until = Date.now() + minutes * 60_000;
    await Promise.all([backUps(one, until), rounds(one, until), faults(one, until)]);
    tell('the time is over: what is left is judged');
    for (const { store, ledger, stop } of workloads) {
      await stop();
      tell(`${store.system}: ${ledger.size} markers acknowledged`);
    }
    await judgeTheEnd(one, tell);
  } finally {
    await harness.endWorker('SIGKILL'); // It holds files of the spool open.
    await releaseSpool();
    await harness.close();
  }
}

async function backUps(one: Soak, until: number): Promise<void> {
  for (; Date.now() < until; await wait(BACKUP_PAUSE_MS)) {
    const ended = await backUpEverything(one);
    one.judge.backedUp(ended);
    const how = ended.failure === null ? 'stored' : `${ended.failure.code}: ${ended.failure.message.split('\n', 1)[0]}`;
    tell(`backup of everything in ${ended.seconds.toFixed(0)} s: ${how}`);
  }
}

async function rounds(one: Soak, until: number): Promise<void> {
  for (let index = 0; Date.now() < until; index += 1) {
    const next = Date.now() + ROUND_EVERY_MS;
    tell(await (ROUNDS[index % ROUNDS.length] as (typeof ROUNDS)[number])(one));
    await wait(Math.max(0, Math.min(next, until) - Date.now()));
  }
}

// One to three a minute, one after the other: each is over before the next one strikes.
async function faults(one: Soak, until: number): Promise<void> {
  const chance = chanceFrom(seed + 1);
  while (Date.now() < until) {
    const next = Date.now() + FAULTS_EVERY_MS;
    for (let left = 1 + chance.next(3); left > 0 && Date.now() < until; left -= 1) {
      await wait(chance.next(FAULTS_EVERY_MS / 4));
      const fault = chance.pick(FAULTS);
      tell(`fault (rows ${fault.rows.join(', ')}): ${fault.name}`);
      tell(`fault over: ${fault.name}: ${await fault.strike(one.harness, chance)}`);
    }
    await wait(Math.max(0, Math.min(next, until) - Date.now()));
  }
}

async function writeReport({ judged, violations, excused }: Judge): Promise<void> {
  const [cpu] = cpus();
  const machine = {
    processors: cpus().length,
    processor: cpu?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const report = {
    ...{ date: new Date(beganAt).toISOString(), minutes, seed, machine, judged, violations, excused },
    oracles: ORACLES,
    log: lines,
  };
  await mkdir(dirname(values.report), { recursive: true });
  await writeFile(values.report, `${JSON.stringify(report, null, 2)}\n`);
  tell(`report: ${values.report}`);
}
