// Waits until a certificate, chain or key file changes. It compares content, not times: a renewal that keeps the time is
// seen, and a touched file is not taken for one.
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { CertificateState, WatchInput } from '../../domain/contracts/certificate-watch.ts';
import { readAccounts } from '../files/accounts.ts';
import { unreadable } from '../files/archive-writer.ts';
import type { FileCollection } from '../files/collection.ts';
import { describe } from '../files/describe.ts';
import { currentSignal, reportProgress, throwIfCancelled } from '../shared/activity-context.ts';

export interface WatchTimes {
  readonly everyMs: number;
  readonly longestMs: number;
}

/**
 * Does: reads the files at intervals until their digest differs from the known one, at most half an hour.
 * Repeat: compares with the same known digest, so a change during the gap is seen. Undo: none needed, nothing is written.
 */
export async function waitForChange(
  collection: FileCollection,
  { knownDigest }: WatchInput,
  { everyMs, longestMs }: WatchTimes,
): Promise<CertificateState> {
  const endsAt = performance.now() + longestMs;
  for (let looks = 1; ; looks++) {
    throwIfCancelled();
    const state = await readState(collection, knownDigest);
    if (state.digest !== knownDigest || performance.now() >= endsAt) return state;
    reportProgress({ what: 'certificates watched', doneBytes: looks, totalBytes: null, bytesPerSecond: 0 });
    await pause(Math.max(1, Math.min(everyMs, endsAt - performance.now())));
  }
}

async function pause(ms: number): Promise<void> {
  const signal = currentSignal();
  await wait(ms, undefined, signal ? { signal } : {}).catch((error) => {
    throwIfCancelled();
    throw error;
  });
}

// The digest is `<hash of all>:<mark of each file>`, so that which files changed is known without any memory of ours.
async function readState(collection: FileCollection, known: string | null): Promise<CertificateState> {
  const { paths } = await collection.list();
  const marks: string[] = [];
  for (const path of paths) marks.push(await markOf(collection, path));
  const whole = createHash('sha256')
    .update(JSON.stringify([paths, marks]))
    .digest('hex');
  const before = known?.split(':')[1]?.split('.') ?? [];
  const isSameList = before.length === paths.length;
  const changedFiles = paths.filter((_, index) => !isSameList || marks[index] !== before[index]);
  return { digest: `${whole}:${marks.join('.')}`, changedFiles };
}

async function markOf(collection: FileCollection, path: string): Promise<string> {
  const accounts = await readAccounts();
  const described = await collection
    .withPlace(path, false, (place) => describe(place, path, accounts))
    .catch((error) => {
      throw unreadable(error, path);
    });
  if (described.outcome !== 'whole') return 'absent';
  const { sha256, mode, owner } = described.entry;
  const facts = `${path}\n${sha256}\n${mode}\n${owner.uid}\n${owner.gid}`;
  return createHash('sha256').update(facts).digest('base64url').slice(0, 10);
}
