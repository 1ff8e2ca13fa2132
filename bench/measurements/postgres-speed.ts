// Physical backups and restores of a cluster of about 1.4 GB, beside what else does it.
import { rm } from 'node:fs/promises';
import { backUpWorkflowId, restoreWorkflowId } from '../../domain/run-names.ts';
import type { BackUpSystemResult, RestoreSystemResult } from '../../workflows/messages.ts';
import { preparePgBackRest } from '../contenders/pgbackrest.ts';
import { plainPipe, scriptWay } from '../contenders/postgres-pipes.ts';
import { makeBenchDatabase } from '../dataset.ts';
import { type Bench, inRounds } from '../measurement.ts';
import { secondsAlone, secondsOf } from '../timeline.ts';

export async function measurePostgresSpeed(bench: Bench): Promise<void> {
  const { stage, samples, say } = bench;
  say('making the dataset');
  await makeBenchDatabase(bench);
  const pgBackRest = await preparePgBackRest(stage);
  const [pipe, script] = [await plainPipe(stage), await scriptWay(stage)];
  await inRounds(
    bench,
    { holdfast: () => backUp(bench), pgBackRest: pgBackRest.backUp, script, pipe },
    ({ holdfast, ...others }) => {
      samples.add('backup-vs-pgbackrest', holdfast / others.pgBackRest);
      samples.add('backup-vs-script', holdfast / others.script);
      samples.add('backup-vs-pipe', holdfast / others.pipe);
      samples.tell('physical backup without reading back, s', holdfast);
      for (const [name, seconds] of Object.entries(others)) samples.tell(`backup by ${name}, s`, seconds);
    },
  );
  await inRounds(bench, { holdfast: () => restore(bench), pgBackRest: pgBackRest.restore }, (seconds) => {
    samples.add('restore-vs-pgbackrest', seconds.holdfast / seconds.pgBackRest);
    samples.tell('restore into place, s', seconds.holdfast);
    samples.tell('restore by pgBackRest, s', seconds.pgBackRest);
  });
}

// From the command's start to its end, without the time in which nothing but reading back went on.
async function backUp({ stage, samples }: Bench): Promise<number> {
  const { milliseconds } = await stage.dr('backup', 'postgres', '--kind', 'physical');
  const id = backUpWorkflowId(stage.platform.name, 'postgres', 'physical');
  const { report } = await stage.resultOf<BackUpSystemResult>(id);
  const readingBack = secondsAlone(report, (step) => step.startsWith('read-back-'));
  samples.tell('reading back both tiers, s', readingBack);
  samples.tell('taking (read, compress, encrypt, flush), s', secondsOf(report, 'take'));
  return milliseconds / 1000 - readingBack;
}

// Unpacked, checked and in its place. Stopping the old server, starting the new one and reading every row out is
// more than pgBackRest does, and shown apart.
async function restore({ stage, samples }: Bench): Promise<number> {
  const { name } = stage.platform;
  await stage.dr('restore', 'postgres', '--kind', 'physical', '--confirm', name);
  const result = await stage.resultOf<RestoreSystemResult>(restoreWorkflowId(name, 'postgres'));
  for (const { where } of result.kept) await rm(where, { recursive: true, force: true });
  samples.tell('restore with start and full read-out, s', result.report.seconds - result.report.waitedSeconds);
  return secondsOf(result.report, 'stage') + secondsOf(result.report, 'swap');
}
