// Proofs: signed records that a backup was restored and compared. They are named by time, so the newest is read first.
import type { ProofInput } from '../../domain/contracts/repository.ts';
import type { BackupRef } from '../../domain/manifest.ts';
import { type ProofRecord, parseProof } from '../../domain/records.ts';
import { PROOFS, proofFolder } from '../../domain/repository-layout.ts';
import type { RepositoryContext } from './context.ts';
import { requireEntry } from './entries.ts';
import { sha256Of } from './measure.ts';
import { decideRecord, readRecord } from './records.ts';
import type { BackupStore } from './store.ts';

/** Records a proof in every tier. The same run proves a backup once. */
export async function recordProof(context: RepositoryContext, { backup, run, checks }: ProofInput): Promise<void> {
  const { manifestSha256 } = await requireEntry(context, backup);
  const provenAt = context.now().toISOString();
  const tail = `-${sha256Of(run).slice(0, 16)}.json`;
  const name = (await findByTail(context, backup, tail)) ?? `${proofFolder(backup)}${stampOf(provenAt)}${tail}`;
  await decideRecord(context, name, (): ProofRecord => {
    const { platform } = context;
    return { type: 'proof', format: 1, platform, ...backup, manifestSha256, provenAt, run, checks };
  });
}

const stampOf = (time: string) => time.replaceAll(/\D/g, '').slice(0, 14);

async function findByTail({ stores }: RepositoryContext, backup: BackupRef, tail: string): Promise<string | undefined> {
  const listed = await Promise.all(stores.map((store) => store.list(proofFolder(backup))));
  return listed.flat().find(({ name }) => name.endsWith(tail))?.name;
}

/** Proofs that lie in the tiers, by backup folder, newest first. */
export type ProofNames = ReadonlyMap<string, readonly { readonly store: BackupStore; readonly name: string }[]>;

/** Lists all proofs. */
export async function listProofs(stores: readonly BackupStore[]): Promise<ProofNames> {
  const names = new Map<string, { store: BackupStore; name: string }[]>();
  for (const store of stores)
    for (const { name } of await store.list(PROOFS)) {
      const folder = name.slice(0, name.lastIndexOf('/') + 1);
      names.set(folder, [...(names.get(folder) ?? []), { store, name }]);
    }
  for (const found of names.values()) found.sort((a, b) => (a.name < b.name ? 1 : -1));
  return names;
}

/** Time of the newest proof of exactly this manifest that a trusted key signed, or null. */
export async function provenAt(
  context: RepositoryContext,
  proofs: ProofNames,
  backup: BackupRef,
  manifestSha256: string,
): Promise<string | null> {
  for (const { store, name } of proofs.get(proofFolder(backup)) ?? []) {
    const proof = await readRecord(context, store, name, parseProof);
    const isItsOwn = proof?.system === backup.system && proof.backupId === backup.backupId;
    if (isItsOwn && proof.manifestSha256 === manifestSha256) return proof.provenAt;
  }
  return null;
}
