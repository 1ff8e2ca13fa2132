// Writing keys into a live store: small ones as the server packed them, large ones command by command under a name of
// their own, which takes the key's place at once when it is whole.
import type { Redis } from 'ioredis';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { batch, type Command } from './commands.ts';
import type { JournalEntry } from './journal.ts';
import { readPieces } from './journal-pieces.ts';
import type { Template } from './rebuild-commands.ts';

/** Under this name a large key grows in the live store; a leftover of an attempt that was killed is removed first. */
export const GROWING_KEY = Buffer.from('holdfast:restoring-a-large-key');

/** Makes a key under `GROWING_KEY` of the selected database; a second call begins anew. */
export async function grow(live: Redis, pieces: AsyncIterable<readonly Template[]>): Promise<void> {
  await batch(live, [['UNLINK', GROWING_KEY]]);
  for await (const templates of pieces) {
    throwIfCancelled();
    await batch(
      live,
      templates.map((template) => template.map((part) => part ?? GROWING_KEY)),
    );
  }
}

/** Removes what a growing that failed has left in the selected database. */
export async function removeGrowing(live: Redis): Promise<void> {
  await batch(live, [['UNLINK', GROWING_KEY]]);
}

/** Commands that put the grown key into its place; in a transaction they are one moment for every client. */
export function placing(key: Buffer, expiresAtMs: number): readonly Command[] {
  const expiry: Command[] = expiresAtMs < 0 ? [] : [['PEXPIREAT', key, expiresAtMs]];
  return [['UNLINK', key], ['RENAME', GROWING_KEY, key], ...expiry];
}

/** The command that makes a key what the entry says. */
export function restoring({ key, payload, expiresAtMs }: JournalEntry): Command {
  if (payload === null) return ['UNLINK', key];
  // With ABSTTL, 0 means no expiry; a time that has passed makes RESTORE remove the key, as Redis itself would have.
  return ['RESTORE', key, expiresAtMs < 0 ? 0 : Math.max(1, expiresAtMs), payload, 'REPLACE', 'ABSTTL'];
}

/** Puts keys back as a journal has them, whatever stands there now. */
export async function putBack(live: Redis, entries: readonly JournalEntry[]): Promise<void> {
  for (const database of new Set(entries.map((entry) => entry.database))) {
    await live.select(database);
    const ours = entries.filter((entry) => entry.database === database);
    await batch(live, ours.filter(({ piecesPath }) => piecesPath === undefined).map(restoring));
    for (const { key, expiresAtMs, piecesPath } of ours) {
      if (piecesPath === undefined) continue;
      await grow(live, readPieces(piecesPath));
      await batch(live, [['MULTI'], ...placing(key, expiresAtMs), ['EXEC']]);
    }
    await removeGrowing(live);
  }
}
