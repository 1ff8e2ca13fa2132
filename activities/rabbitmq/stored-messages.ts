// The messages of one queue as they come out of a stored backup.
import type { StoredBackup } from '../../domain/contracts/backup-content.ts';
import type { CapturedMessages } from '../../domain/systems/rabbitmq-inventory.ts';
import { type MessageRecord, readRecords } from './message-records.ts';

/** @throws {Failure} ARTIFACT_DAMAGED, ARTIFACT_MISSING; what was yielded before is not proven then. */
export async function* storedMessages(stored: StoredBackup, captured: CapturedMessages): AsyncGenerator<MessageRecord> {
  for (const name of captured.artifacts) {
    for await (const event of readRecords(stored.read(name))) if (event.kind === 'message') yield event.message;
  }
}
