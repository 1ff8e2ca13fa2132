// The planned failover: look → plan → people agree → take the epoch → keep clients out → final backups, nothing written
// since → fence the old site → go → restore at the new one → validate → open. Its loss budget is zero: a write after the
// final backup is a no-go. Until it opens everything is taken back, and the old site serves again.
import type { HandOverInput, HandOverResult } from './messages.ts';
import { tellHandover } from './support/handover.ts';

export async function failOverPlanned(input: HandOverInput): Promise<HandOverResult> {
  return tellHandover(input, { action: 'failover', what: 'Planned failover' });
}
