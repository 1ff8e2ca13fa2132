// The log of a witness that was lost, from its copies in a tier: the chain is judged before a record is believed.
import { EMPTY_HEAD, followChain, recordName, sequenceOf } from '../../domain/audit.ts';
import type { TextTier } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import { ChainFolder } from './chain-folder.ts';
import { copyName } from './copies.ts';
import { sha256 } from './walk.ts';

/**
 * Does: writes every record that the tier has, in order, into the witness folder, which may hold the first of them.
 * Repeat: goes on after those that are there. Undo: none: nothing is replaced.
 * @returns how many records there are now.
 * @throws {Failure} AUDIT_BROKEN at the first copy that does not follow from the one before, or differs from the log here.
 */
export async function bringBackLog(witnessDirectory: string, platform: string, tier: TextTier): Promise<number> {
  const folder = new ChainFolder(witnessDirectory);
  const last = await lastCopy(tier);
  let state = { head: EMPTY_HEAD, platform };
  for (let sequence = 1; sequence <= last; sequence++) {
    const text = await tier.read(copyName(sequence));
    const step = followChain(state, text === null ? { sequence, missing: true } : { sequence, text }, sha256);
    if ('broken' in step) throw new Failure('AUDIT_BROKEN', `the copies in tier '${tier.name}': ${step.broken}`);
    if (!(await folder.create(sequence, text ?? ''))) await requireSame(folder, sequence, text);
    state = step.state;
  }
  if (last > 0) await folder.moveHead(state.head);
  return last;
}

async function lastCopy(tier: TextTier): Promise<number> {
  const numbers = (await tier.list('audit/')).map(({ name }) => sequenceOf(name.slice('audit/'.length)) ?? 0);
  return Math.max(0, ...numbers);
}

async function requireSame(folder: ChainFolder, sequence: number, text: string | null): Promise<void> {
  const slot = await folder.slot(sequence);
  if ('text' in slot && slot.text === text) return;
  throw new Failure('AUDIT_BROKEN', `audit record ${sequence} ('${recordName(sequence)}') is here already and differs`);
}
