// Reading and writing checkpoints: in every tier, and the newest number at the witness, so that an older copy of the
// whole repository is noticed.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Checkpoint,
  type CheckpointEntry,
  type KnownCheckpoint,
  nextCheckpoint,
  parseCheckpoint,
} from '../../domain/checkpoint.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { CHECKPOINTS, checkpointName, numberIn } from '../../domain/repository-layout.ts';
import { makePrivateFolder, publishBytes, unless } from '../shared/durable-files.ts';
import { leadStore, type RepositoryContext } from './context.ts';
import { sha256Of } from './measure.ts';
import { openRecord, signRecord } from './signing.ts';
import { createText, type ReadableStore, readText } from './store.ts';

export interface FoundCheckpoint extends KnownCheckpoint {
  /** The signed record as it is stored. */
  readonly text: string;
}

/** The newest checkpoint in one tier, or null in an empty repository. @throws {Failure} CHECKPOINT_MISMATCH. */
export async function newestIn(context: RepositoryContext, store: ReadableStore): Promise<FoundCheckpoint | null> {
  const listed = await store.list(CHECKPOINTS);
  const numbers = listed.map(({ name }) => numberIn(name)).filter((number) => number !== null);
  return numbers.length === 0 ? null : readCheckpoint(context, store, Math.max(...numbers));
}

async function readCheckpoint(
  context: RepositoryContext,
  store: ReadableStore,
  number: number,
): Promise<FoundCheckpoint> {
  const name = checkpointName(number);
  const text = await readText(store, name);
  if (text === null)
    throw new Failure('LISTING_INCOMPLETE', `'${name}' was listed in tier '${store.name}' and is not there`);
  const what = `'${name}' in tier '${store.name}'`;
  const record = await openRecord(context.configuration.signing, text, what, 'CHECKPOINT_MISMATCH');
  const checkpoint = parseCheckpoint(record);
  if (checkpoint.platform !== context.platform)
    throw new Failure('REPOSITORY_FOREIGN', `${what} belongs to platform '${checkpoint.platform}'`);
  if (checkpoint.number !== number)
    throw new Failure('CHECKPOINT_MISMATCH', `${what} says number ${checkpoint.number}`);
  return { checkpoint, sha256: sha256Of(record), text };
}

/**
 * The newest checkpoint over all tiers, compared with the witness. Every tier must answer.
 * @throws {Failure} CHECKPOINT_MISMATCH when what is stored is older than, or differs from, what was sealed.
 */
export async function newestCheckpoint(context: RepositoryContext): Promise<FoundCheckpoint | null> {
  const found = await Promise.all(context.stores.map((store) => newestIn(context, store)));
  return requireNewest(context, found);
}

/** Like `newestCheckpoint`, from those of `stores` that answer with a good one. @throws {Failure} when none does. */
export async function newestReachable(
  context: RepositoryContext,
  stores: readonly ReadableStore[] = context.stores,
): Promise<KnownCheckpoint | null> {
  const settled = await Promise.allSettled(stores.map((store) => newestIn(context, store)));
  const found = settled.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
  const refused = settled.find((one) => one.status === 'rejected');
  if (refused && found.every((one) => one === null)) throw refused.reason;
  return requireNewest(context, found);
}

async function requireNewest(context: RepositoryContext, found: readonly (FoundCheckpoint | null)[]) {
  const newest = newestOf(found);
  const sealed = await readWitness(context.witnessDirectory);
  const number = newest?.checkpoint.number ?? 0;
  if (sealed && number < sealed.number)
    throw new Failure('CHECKPOINT_MISMATCH', `the newest checkpoint is ${number}, but ${sealed.number} was written`);
  if (sealed && number === sealed.number && newest?.sha256 !== sealed.sha256)
    throw new Failure('CHECKPOINT_MISMATCH', `checkpoint ${number} is not the one that was written`);
  return newest;
}

function newestOf(found: readonly (FoundCheckpoint | null)[]): FoundCheckpoint | null {
  return found.reduce((newest, one) => {
    if (one === null || newest === null) return newest ?? one;
    if (one.checkpoint.number === newest.checkpoint.number && one.sha256 !== newest.sha256)
      throw new Failure('CHECKPOINT_MISMATCH', `the tiers hold two different checkpoints ${one.checkpoint.number}`);
    return one.checkpoint.number > newest.checkpoint.number ? one : newest;
  }, null);
}

/** The newest checkpoint, then the ones before it, as far back as they are kept. */
export async function* checkpointsBackwards(context: RepositoryContext): AsyncGenerator<Checkpoint> {
  const newest = (await newestCheckpoint(context))?.checkpoint;
  if (newest === undefined) return;
  yield newest;
  const lead = leadStore(context);
  const kept = new Set((await lead.list(CHECKPOINTS)).map(({ name }) => name));
  for (let number = newest.number - 1; kept.has(checkpointName(number)); number -= 1)
    yield (await readCheckpoint(context, lead, number)).checkpoint;
}

/**
 * Writes the checkpoint in which `change` has been made to what the repository holds. When another sealer was quicker,
 * it is made again on top of theirs. A change that is already there writes nothing.
 */
export async function writeCheckpoint(
  context: RepositoryContext,
  change: (backups: readonly CheckpointEntry[]) => readonly CheckpointEntry[],
): Promise<KnownCheckpoint> {
  const previous = await newestCheckpoint(context);
  const before = previous?.checkpoint.backups ?? [];
  const after = change(before);
  if (previous && canonicalJson(after) === canonicalJson(before)) return publish(context, previous);
  const next = nextCheckpoint(context.platform, previous, after, context.now().toISOString());
  const record = canonicalJson(next);
  const known: FoundCheckpoint = {
    checkpoint: next,
    sha256: sha256Of(record),
    text: await signRecord(context.configuration.signing, record),
  };
  try {
    await createText(leadStore(context), checkpointName(next.number), known.text);
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'ALREADY_EXISTS_DIFFERENT')) throw error;
    return writeCheckpoint(context, change);
  }
  return publish(context, known);
}

// A sealer that died after the first tier left the others behind; whoever comes next brings them up.
async function publish(context: RepositoryContext, known: FoundCheckpoint): Promise<KnownCheckpoint> {
  const name = checkpointName(known.checkpoint.number);
  for (const store of context.stores) await createText(store, name, known.text);
  await writeWitness(context.witnessDirectory, known);
  return known;
}

const WITNESS = 'checkpoints';

/** Notes at the witness which checkpoint is the newest. One create-only file a number: two sealers cannot set it back. */
export async function writeWitness(directory: string, { checkpoint, sha256 }: KnownCheckpoint): Promise<void> {
  const folder = join(directory, WITNESS);
  await makePrivateFolder(folder);
  const path = join(folder, String(checkpoint.number).padStart(10, '0'));
  if (await publishBytes(path, folder, Buffer.from(sha256))) return;
  if ((await readFile(path, 'utf8')) !== sha256)
    throw new Failure('CHECKPOINT_MISMATCH', `the witness knows another checkpoint ${checkpoint.number}`);
}

async function readWitness(directory: string): Promise<{ number: number; sha256: string } | null> {
  const folder = join(directory, WITNESS);
  const names = ((await unless(['ENOENT'], () => readdir(folder))) ?? []).filter((name) => /^\d{10,15}$/.test(name));
  const newest = names.sort((a, b) => Number(a) - Number(b)).at(-1);
  if (newest === undefined) return null;
  return { number: Number(newest), sha256: await readFile(join(folder, newest), 'utf8') };
}
