// A crash-consistent copy of the node's data folder: everything while it runs, then the difference while it stands still.
import { Failure } from '../../domain/failures.ts';
import { estimatedPauseMs } from '../../domain/systems/rabbitmq-inventory.ts';
import { progressOf } from '../shared/activity-context.ts';
import { requireRoom } from '../shared/room.ts';
import type { BrokerDependencies } from './broker-dependencies.ts';
import { type CopyPass, FolderCopy } from './folder-copy.ts';
import { type FreezeMethod, type Freezer, prepareFreeze } from './freeze.ts';

export interface CrashCopy {
  readonly cutAt: string;
  readonly pauseMs: number;
  readonly estimateMs: number;
  readonly bytes: number;
}

/** Difference passes before giving up on a broker that changes faster than it can be followed. */
const MOST_PASSES = 5;

/**
 * Copies `dataDirectory` to `target`.
 * @throws {Failure} FREEZE_TOO_LONG before anything was frozen when the pause would be too long, or afterwards when the
 * watchdog thawed before the copy was whole (it is of no use then); NO_SPACE, NO_FILE_ACCESS.
 */
export async function copyOfOneMoment(
  deps: BrokerDependencies,
  dataDirectory: string,
  target: string,
): Promise<CrashCopy> {
  const { freezeLimitMs } = deps.configuration;
  const copy = new FolderCopy(dataDirectory, target);
  const onBytes = progressOf('copy of the data folder', null);
  const first = await copy.pass(false, onBytes);
  // The clone writes while it recovers; as much again as was copied is the most it has needed.
  await requireRoom(target, first.bytes, 'the clone that recovers');
  const estimateMs = await follow(copy, freezeLimitMs);
  if (estimateMs > freezeLimitMs) throw tooLong(estimateMs, freezeLimitMs);
  const freezer = await prepareFreeze(freezeMethod(deps, dataDirectory), freezeLimitMs);
  return { ...(await frozenPass(deps, freezer, copy)), estimateMs, bytes: first.bytes };
}

async function follow(copy: FolderCopy, limitMs: number): Promise<number> {
  let estimateMs = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < MOST_PASSES && estimateMs > limitMs / 4; pass += 1)
    estimateMs = Math.min(estimateMs, estimatedPauseMs(await copy.pass(false)));
  return estimateMs;
}

async function frozenPass(deps: BrokerDependencies, freezer: Freezer, copy: FolderCopy) {
  const { freezeLimitMs } = deps.configuration;
  await freezer.freeze();
  const cutAt = new Date().toISOString();
  let failure: unknown = null;
  let pass: CopyPass | null = null;
  try {
    await deps.onFrozen?.();
    pass = await copy.pass(true);
  } catch (error) {
    failure = error;
  }
  const { heldMs, wasFrozen } = await freezer.thaw();
  if (!wasFrozen) throw tooLong(heldMs, freezeLimitMs);
  if (pass === null) throw failure;
  return { cutAt, pauseMs: heldMs };
}

function freezeMethod({ configuration }: BrokerDependencies, dataDirectory: string): FreezeMethod {
  if (configuration.freeze.method === 'hook') return configuration.freeze;
  return { method: 'process', pidFile: configuration.pidFile ?? `${dataDirectory}.pid` };
}

function tooLong(neededMs: number, limitMs: number): Failure {
  const words = `the broker would stand still for ${neededMs} ms or more, and ${limitMs} ms are allowed`;
  return new Failure('FREEZE_TOO_LONG', words, { neededMs, limitMs });
}
