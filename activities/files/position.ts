// Where a system of files stands: a digest of every file with its content, owner and mode.
import { createHash } from 'node:crypto';
import type { StorePosition } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson, type JsonValue } from '../../domain/json.ts';
import type { FileCollection } from './collection.ts';
import { surveyFiles } from './survey.ts';

/**
 * Does: reads every file once.
 * Repeat: reads again. Undo: none needed, nothing is written.
 * @throws {Failure} NO_FILE_ACCESS when a file cannot be read: what it holds is not known then.
 */
export async function readPosition(collection: FileCollection): Promise<StorePosition> {
  const { entries, findings } = await surveyFiles(collection);
  const unread = findings.find(({ level }) => level === 'failed');
  if (unread !== undefined) throw new Failure('NO_FILE_ACCESS', `${unread.subject} ${unread.message}`);
  const sorted = [...entries].sort((one, other) => (one.path < other.path ? -1 : 1));
  const digest = createHash('sha256')
    .update(canonicalJson(sorted as unknown as JsonValue))
    .digest('hex');
  return { position: digest, detail: `${entries.length} entries, ${digest.slice(0, 12)}` };
}
