// Sealing: the backup exists from here on. A sequence is claimed, the signature is stored, then the manifest, then the
// checkpoint. Everything that is decided once is read again by a repetition, so it writes the same bytes.
import type { CheckpointEntry } from '../../domain/checkpoint.ts';
import { entryOf, isSameBackup } from '../../domain/checkpoint.ts';
import type { SealInput, TierCopy } from '../../domain/contracts/repository.ts';
import { Failure } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import type { Manifest, TakenBackup } from '../../domain/manifest.ts';
import { FORMAT, parseManifest } from '../../domain/manifest-record.ts';
import { backupFolder, MANIFEST, refText, SIGNATURE, sequenceName } from '../../domain/repository-layout.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';
import { newestCheckpoint, writeCheckpoint } from './checkpoints.ts';
import { leadStore, type RepositoryContext } from './context.ts';
import { partsOf } from './copy.ts';
import { unlistedSeals } from './finish-seals.ts';
import { sha256Of } from './measure.ts';
import { parseSignature, requireTrusted, signText } from './signing.ts';
import { createText, readText } from './store.ts';

// Within one process sealers take turns; between processes create-only writes decide.
let lastTurn: Promise<unknown> = Promise.resolve();

/** Runs `work` after every earlier one in this process has ended. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = lastTurn.then(work, work);
  lastTurn = turn.catch(() => undefined);
  return turn;
}

/** Seals a backup whose copies were read back. @returns its manifest. */
export async function sealBackup(context: RepositoryContext, input: SealInput): Promise<Manifest> {
  requireCopies(context, input);
  return inTurn(async () => {
    // It may have waited long: a cancelled seal must not come back after its undo.
    throwIfCancelled();
    // Sealed before the answer got lost: its key may have been rotated since, and is no longer the one that was taken.
    const isSealed = entryOf((await newestCheckpoint(context))?.checkpoint ?? null, input.taken.facts) !== undefined;
    if (!isSealed) await requirePresent(context, input.taken);
    const earlier = isSealed ? [] : await unlistedSeals(context, input.taken.facts);
    const text = await decideManifest(context, input);
    // From the signature on no undo removes anything. What one had removed before, while this sealer stood still, shows now.
    if (!isSealed) await requirePresent(context, input.taken);
    for (const store of context.stores) await createText(store, backupFolder(input.taken.facts) + MANIFEST, text);
    const entry = entryFor(context, input.taken, text);
    await writeCheckpoint(context, (backups) => [...earlier, entry].reduce(withEntry, backups));
    return parseManifest(text);
  });
}

function withEntry(backups: readonly CheckpointEntry[], entry: CheckpointEntry): readonly CheckpointEntry[] {
  const same = backups.find((one) => isSameBackup(one, entry));
  if (same?.manifestSha256 === entry.manifestSha256) return backups;
  const others = backups.filter((one) => !isSameBackup(one, entry));
  return [...others, entry].sort((a, b) => a.sequence - b.sequence);
}

function entryFor(context: RepositoryContext, taken: TakenBackup, text: string): CheckpointEntry {
  const { system, backupId, sequence, parents } = parseManifest(text);
  const { name, storedBytes, storedSha256 } = taken.key;
  const tiers = context.stores.map((store) => store.name);
  const keys = [{ name, storedBytes, storedSha256 }];
  return { system, backupId, sequence, manifestSha256: sha256Of(text), keys, parents, tiers };
}

function requireCopies(context: RepositoryContext, { taken, copies }: SealInput): void {
  for (const { name } of context.stores) {
    const copy = copies.find(({ tier }) => tier === name);
    if (!copy) throw new Failure('COULD_NOT_VERIFY', `${refText(taken.facts)} was not read back from tier '${name}'`);
    requireSame(copy, taken);
  }
}

function requireSame(copy: TierCopy, taken: TakenBackup): void {
  for (const { name, storedBytes, storedSha256 } of partsOf(taken)) {
    const found = copy.objects.find((object) => object.name === name);
    if (found?.storedBytes === storedBytes && found.storedSha256 === storedSha256) continue;
    const { system } = taken.facts;
    throw new Failure('ARTIFACT_DAMAGED', `'${name}' of ${refText(taken.facts)} differs in tier '${copy.tier}'`, {
      system,
    });
  }
}

// The copies were read back some time ago; an undo may have removed them since.
async function requirePresent({ stores }: RepositoryContext, taken: TakenBackup): Promise<void> {
  const folder = backupFolder(taken.facts);
  for (const store of stores) {
    const bytes = new Map((await store.list(folder)).map((object) => [object.name, object.bytes]));
    for (const { name, storedBytes } of partsOf(taken))
      if (bytes.get(folder + name) !== storedBytes)
        throw new Failure('ARTIFACT_MISSING', `'${folder}${name}' is no longer whole in tier '${store.name}'`, {
          system: taken.facts.system,
        });
  }
}

/** What is decided once for a backup. It lies beside the signature, and the signature covers what is made of it. */
interface Decision {
  readonly sequence: number;
  readonly sealedAt: string;
}

// The signature is stored first, in the first tier: whoever stores it has decided. A repetition makes the manifest of
// the same decision and finds that the signature fits.
async function decideManifest(context: RepositoryContext, input: SealInput): Promise<string> {
  const object = backupFolder(input.taken.facts) + SIGNATURE;
  const lead = leadStore(context);
  const earlier = await readText(lead, object);
  const stored = earlier ?? (await decide(context, input));
  const text = manifestText(context, input, parseDecision(stored, object));
  const what = `what was sealed as ${refText(input.taken.facts)}`;
  await requireTrusted(
    context.configuration.signing,
    text,
    parseSignature(stored, object),
    what,
    'ALREADY_EXISTS_DIFFERENT',
  );
  for (const store of context.stores) await createText(store, object, stored);
  return text;
}

function parseDecision(text: string, what: string): Decision {
  const { sequence, sealedAt } = JSON.parse(text) as Partial<Decision>;
  if (typeof sequence !== 'number' || typeof sealedAt !== 'string')
    throw new Failure('MANIFEST_UNTRUSTED', `'${what}' is not well formed`);
  return { sequence, sealedAt };
}

async function decide(context: RepositoryContext, input: SealInput): Promise<string> {
  const newest = await newestCheckpoint(context);
  const known = newest?.checkpoint ?? null;
  for (const parent of input.taken.facts.parents)
    if (!entryOf(known, { system: input.taken.facts.system, backupId: parent }))
      throw new Failure('BACKUP_NOT_FOUND', `${refText(input.taken.facts)} needs '${parent}', which is not stored`);
  const sequence = await claimSequence(context, input, (known?.lastSequence ?? 0) + 1);
  const decision: Decision = { sequence, sealedAt: context.now().toISOString() };
  const signature = await signText(context.configuration.signing, manifestText(context, input, decision));
  return `${JSON.stringify({ ...signature, ...decision })}\n`;
}

async function claimSequence(context: RepositoryContext, input: SealInput, sequence: number): Promise<number> {
  const { system, backupId } = input.taken.facts;
  try {
    await createText(leadStore(context), sequenceName(sequence), canonicalJson({ system, backupId, run: input.run }));
    return sequence;
  } catch (error) {
    if (!(error instanceof Failure && error.code === 'ALREADY_EXISTS_DIFFERENT')) throw error;
    return claimSequence(context, input, sequence + 1);
  }
}

function manifestText(context: RepositoryContext, { taken, run }: SealInput, decision: Decision): string {
  const { facts, recipients } = taken;
  const manifest: Manifest = { ...facts, format: FORMAT, platform: context.platform, ...decision, recipients, run };
  const text = canonicalJson(manifest);
  parseManifest(text); // What is signed must be readable: a writer's mistake is found before it is stored for good.
  return text;
}
