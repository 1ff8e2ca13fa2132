// Restoring a whole cluster in place: unpacked and verified beside, then the server is stopped, the folders change
// places, the server is started and everything is read out. The old folders stay.
import { existsSync } from 'node:fs';
import { chmod, readdir, rm } from 'node:fs/promises';
import type { RestoreStepResult } from '../../domain/contracts/protected-system.ts';
import { runTool } from '../shared/run-tool.ts';
import { liveReach, withSession } from './connection.ts';
import { makeRunFolder } from './context.ts';
import { type Layout, markRestored, swapFolders, swapFoldersBack } from './data-folder.ts';
import { lookAtTarget, type Place, placeOf, refuseUnfit } from './live-place.ts';
import { startServer, stopServer } from './live-service.ts';
import { mendCollations } from './mend-collations.ts';
import { prepareRecovery, RECOVERY_SETTINGS } from './new-timeline.ts';
import { oneOf } from './read-stored.ts';
import { validateCluster } from './restore-base.ts';
import {
  done,
  type PlanDraft,
  type RestoreContext,
  type RestoreProcedure,
  requireLive,
  type StepContext,
  step,
} from './restore-context.ts';
import { isFromElsewhere, keepSettings, SETTINGS_FILES } from './site-settings.ts';
import { linkTablespace } from './unpack-base.ts';
import { chainFolder, openChain, unpackWhole } from './unpack-chain.ts';

async function plan(context: RestoreContext): Promise<PlanDraft> {
  const place = await placeOf(context);
  await refuseUnfit(context, place);
  const state = await lookAtTarget(context, place);
  const { manifest } = context.backup;
  const { data, kept } = place.layout;
  return {
    summary: [
      `the whole cluster at '${data}' is replaced by base backup "${manifest.backupId}" of ${manifest.momentAt}`,
      ...place.spaces.map(({ layout }) => `its tablespace at '${layout.data}' too`),
      state === 'empty' ? 'there is no data at the target now' : `the present data stays at '${kept}'`,
      ...(isFromElsewhere(context)
        ? [`the settings of this site's server stay (${SETTINGS_FILES.join(', ')}); those of the backup are not taken`]
        : []),
      'the server is stopped and started by the configured service commands and goes on in a new timeline',
    ],
    difference: { baseBytes: oneOf(context.backup, 'base').plainBytes },
    warnings: [
      ...(state === 'empty' ? [] : ['every database of this server loses what was written after the backup']),
      ...((await hasSymlinkedWal(data))
        ? ['pg_wal is a link to another disk now; the restored one is inside the data folder']
        : []),
      ...manifest.warnings,
    ],
    steps: STEPS,
    observed: { state, data },
  };
}

const STOPPED = 'nothing can wait: the server is down until the start, or until the undo';

const STEPS = [
  step('stage', 'Unpack the base backup beside the live data and verify it', {
    hasUndo: true,
    safeToLeave: 'everything can wait: the live server is as it was, only disk space is used',
  }),
  step('stop', 'Stop the server', { hasUndo: true, safeToLeave: STOPPED }),
  step('swap', 'Move the old data folder aside and the restored into its place', {
    hasUndo: true,
    safeToLeave: STOPPED,
  }),
  step('start', 'Start the server and let it recover', { hasUndo: true, safeToLeave: STOPPED }),
  step('collations', 'Rebuild indexes on text where the locale library is another version than at the backup', {
    safeToLeave: 'the restored server serves already; where this is needed, indexes on text may not find their rows',
  }),
  step('validate', 'Check structures and read every row out', {
    safeToLeave: 'the restored server serves already; only the proof is missing',
  }),
];

async function hasSymlinkedWal(data: string): Promise<boolean> {
  const entries = await readdir(data, { withFileTypes: true }).catch(() => []);
  return entries.some((entry) => entry.name === 'pg_wal' && entry.isSymbolicLink());
}

// The data folder is last: while its old one is in place, the swap is not done.
const layoutsOf = ({ spaces, layout }: Place): Layout[] => [...spaces.map((space) => space.layout), layout];

// Does: unpacks, verifies, prepares for a new timeline, flushes. Repeat: from the beginning. Undo: removes the folders.
async function stage(context: StepContext): Promise<RestoreStepResult> {
  const place = await placeOf(context);
  const { layout, spaces, owner, tools } = place;
  const { backup, request } = context;
  const layoutOf = (oid: string) => spaces.find((space) => space.oid === oid)?.layout as Layout;
  const tablespaceFolder = (oid: string) => layoutOf(oid).staged;
  const chain = await openChain(context.deps.reader, backup, request.tier);
  const staged = layoutsOf(place).map((one) => one.staged);
  // Most of it is on the disk when it is verified; what is added later is flushed at the end.
  const meanwhile = () => flush(staged);
  await unpackWhole({ tools, backup, directory: layout.staged, tablespaceFolder, owner, meanwhile }, chain);
  await chmod(layout.staged, Number.parseInt(String(backup.manifest.source.dataDirectoryMode ?? '0700'), 8));
  for (const space of spaces) await linkTablespace(layout.staged, space.oid, space.layout.data);
  if (isFromElsewhere(context)) await keepSettings({ from: layout.data, to: layout.staged, owner });
  const timeline = Number(backup.manifest.source.timeline);
  await prepareRecovery({ folder: layout.staged, timeline, replaced: layout.data, owner });
  for (const one of layoutsOf(place)) await markRestored(one.staged, request.run);
  await flush(layoutsOf(place).map(({ staged }) => staged));
  return done('the base backup matches its manifest and waits beside the live data');
}

// The whole file systems, once: tar flushes nothing, and what changes places next must outlive a power cut. coreutils'
// sync fails when a write failed (syncfs(2), since Linux 5.8).
async function flush(folders: readonly string[]): Promise<void> {
  await runTool({ command: 'sync', args: ['--file-system', '--', ...folders], install: 'apt-get install coreutils' });
}

// Does: moves the old folders aside and the restored into their places. Repeat: finishes. Undo: `swapBack`.
async function swap(context: StepContext): Promise<RestoreStepResult> {
  const place = await placeOf(context);
  await stopServer(place.layout.data, place.service);
  for (const layout of layoutsOf(place)) await swapFolders(layout, context.request.run);
  return done(`the old data is at '${place.layout.kept}'`);
}

async function swapBack(context: StepContext): Promise<RestoreStepResult> {
  const place = await placeOf(context);
  await stopServer(place.layout.data, place.service);
  for (const layout of layoutsOf(place).reverse()) await swapFoldersBack(layout, context.request.run);
  return done('the old data is back in its place');
}

// Does: stops the server by the configured command. Repeat: sees it stopped. Undo: starts it on whatever is in place.
async function stop(context: StepContext): Promise<RestoreStepResult> {
  const { layout, service } = await placeOf(context);
  await stopServer(layout.data, service);
  return done('the server is stopped');
}

async function undoStop(context: StepContext): Promise<RestoreStepResult> {
  if (context.observed.state !== 'running') return done('the server was not running before');
  const { layout, service } = await placeOf(context);
  await startServer(context.deps, layout.data, service);
  return done('the server serves the old data again');
}

// Does: starts the server and waits until it takes writes. Repeat: sees it running. Undo: stops it.
async function start(context: StepContext): Promise<RestoreStepResult> {
  const { layout, service } = await placeOf(context);
  await startServer(context.deps, layout.data, service);
  const { timeline } = await withSession(liveReach(context.deps.configuration), 'template1', async (session) => {
    for (const name of RECOVERY_SETTINGS) await session.rows(`alter system reset ${name}`);
    await session.rows('select pg_reload_conf()');
    return session.row<{ timeline: number }>('select timeline_id as timeline from pg_control_checkpoint()');
  });
  return done('the server serves the restored data', { timeline });
}

// The server is the backup's own now, whatever was named to be replaced.
const requireRestored = (context: StepContext) =>
  requireLive({ ...context, request: { ...context.request, expectedIdentity: null } });

// Does: rebuilds indexes that another locale library would read wrongly. Repeat: finds none left. Undo: none.
async function collations(context: StepContext): Promise<RestoreStepResult> {
  const { reach } = await requireRestored(context);
  const findings = await mendCollations(reach);
  return done(`indexes of ${findings.length} databases had to be built anew`, { rebuilt: findings.length }, findings);
}

// Does: checks structures and reads every row out. Repeat: again. Undo: none.
async function validate(context: StepContext): Promise<RestoreStepResult> {
  const { reach, tools } = await requireRestored(context);
  const folder = await makeRunFolder(context.deps, context.request.run, 'restore');
  return validateCluster(context, reach, tools, folder);
}

/** The whole cluster in place of the live one. */
export const baseIntoLive: RestoreProcedure = {
  plan,
  run: { stage, stop, swap, start, collations, validate },
  undo: {
    stage: async (context) => {
      const place = await placeOf(context);
      const staged = layoutsOf(place).map((layout) => layout.staged);
      for (const path of [...staged, chainFolder(place.layout.staged)])
        await rm(path, { recursive: true, force: true });
      return done('the unpacked base backup is removed');
    },
    stop: undoStop,
    swap: swapBack,
    start: async (context) => {
      const { layout, service } = await placeOf(context);
      await stopServer(layout.data, service);
      return done('the server is stopped');
    },
  },
  kept: async (context) => {
    const place = await placeOf(context);
    return layoutsOf(place)
      .filter(({ kept }) => existsSync(kept))
      .map(({ data, kept }) => ({
        what: data === place.layout.data ? 'the replaced data folder' : `the replaced tablespace of '${data}'`,
        where: kept,
        removeWith: `rm -r '${kept.replaceAll("'", "'\\''")}'`,
      }));
  },
};
