// What the tests of configuration and certificates share: a folder of their own, and requests as sentences.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ProtectedSystem, RestorePlan, RestoreRequest } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { SystemName } from '../../domain/systems.ts';
import type { PlainBackups } from './plain-backups.ts';

/** A folder that goes with the test; `parent` lies in memory where that is wanted. */
export async function ownFolder(parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'holdfast-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Takes and seals a backup of a system of files. */
export async function backUp(files: ProtectedSystem, backups: PlainBackups, system: SystemName, backupId: string) {
  const taken = await files.takeBackup({ site: 'west', backup: { system, backupId }, kind: 'files', run: backupId });
  await backups.sealTaken(taken);
  return taken;
}

export function restoreRequest(system: SystemName, changes: Partial<RestoreRequest> = {}): RestoreRequest {
  return {
    run: 'restore-1',
    platform: 'shop',
    site: 'west',
    backup: { system, backupId: 'b1' },
    tier: null,
    scope: { kind: 'whole', names: {} },
    target: 'live',
    expectedIdentity: null,
    options: {},
    ...changes,
  };
}

/** Runs every step of the plan. */
export async function carryOut(files: ProtectedSystem, plan: RestorePlan) {
  const results = [];
  for (const { id } of plan.steps) results.push(await files.runRestoreStep({ plan, stepId: id, input: {} }));
  return results;
}

/** The code of the failure that `work` ends with. */
export async function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error) => {
      if (error instanceof Failure) return error.code;
      throw error;
    },
  );
}

/** Every file below a folder with its text, by path: for comparing folders as a whole. */
export async function textsBelow(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = files
    .sort()
    .map(async (path) => [path.slice(folder.length + 1), await readFile(path, 'utf8')] as const);
  return Object.fromEntries(await Promise.all(texts));
}
