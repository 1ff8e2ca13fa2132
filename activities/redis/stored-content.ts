// A stored backup as a scratch server, or a live one, can load it.
import { createWriteStream } from 'node:fs';
import { mkdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Redis } from 'ioredis';
import { artifactsOf, type StoredBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { Manifest } from '../../domain/manifest.ts';
import { type AofFile, writeAofManifest } from '../../domain/systems/redis-aof.ts';
import { expiryUnder, type TtlPolicy } from '../../domain/systems/redis-ttl.ts';
import { infoOf } from './client.ts';
import { withExpiries } from './rdb-expiries.ts';
import type { ScratchContent } from './scratch.ts';
import { keyspaceOf } from './server-facts.ts';
import type { StoredAofFile } from './take-aof.ts';

interface Inventory {
  readonly databases?: Readonly<Record<string, { readonly keys: number; readonly expires: number }>>;
  readonly files?: readonly StoredAofFile[];
}

/** Where a server looks for its append-only files. */
export interface AofNames {
  readonly directory: string;
  readonly prefix: string;
}

const SCRATCH_NAMES: AofNames = { directory: 'appendonlydir', prefix: 'appendonly.aof' };

/** The backup's inventory. @throws {Failure} ARTIFACT_MISSING. */
export async function inventoryOf(stored: StoredBackup): Promise<Inventory> {
  return (await json(Readable.from(stored.read(onlyArtifact(stored.manifest, 'inventory'))))) as Inventory;
}

/** Name of the one artifact of `role`. @throws {Failure} ARTIFACT_MISSING. */
export function onlyArtifact(manifest: Manifest, role: string): string {
  const name = artifactsOf(manifest, role)[0]?.name;
  if (name === undefined)
    throw new Failure('ARTIFACT_MISSING', `backup '${manifest.backupId}' has no artifact of the role '${role}'`);
  return name;
}

/** What a scratch server loads from the backup under a policy for expiry times. */
export function scratchContent(stored: StoredBackup, ttl: TtlPolicy): ScratchContent {
  const { manifest } = stored;
  const isAof = manifest.kind === 'aof';
  return {
    label: `${manifest.backupId} ${JSON.stringify(ttl)}`,
    appendOnly: isAof,
    place: async (folder) => {
      if (isAof) await placeAof(stored, folder, SCRATCH_NAMES);
      else await placeRdb(stored, join(folder, 'dump.rdb'), ttl);
      const { databases } = await inventoryOf(stored);
      const highest = Math.max(0, ...Object.keys(databases ?? {}).map(Number));
      // Which databases the commands of an append-only file use is known only when they run.
      return { highestDatabase: isAof ? 1023 : highest };
    },
    verify: (redis) => requireRecorded(redis, stored),
  };
}

/** Writes the RDB under `path` (0600), with expiry times as the policy says. */
export async function placeRdb(stored: StoredBackup, path: string, ttl: TtlPolicy): Promise<void> {
  const artifact = onlyArtifact(stored.manifest, 'rdb');
  if (ttl.kind === 'absolute') return await stored.save(artifact, path);
  const changed = withExpiries(stored.read(artifact), (expiresAtMs) => expiryUnder(ttl, expiresAtMs));
  await pipeline(Readable.from(changed), createWriteStream(path, { mode: 0o600, flags: 'wx', flush: true }));
}

/** Writes the append-only files and a manifest for them below `folder`; a half-written last command is left out. */
export async function placeAof(stored: StoredBackup, folder: string, names: AofNames): Promise<void> {
  const directory = join(folder, names.directory);
  await mkdir(directory, { mode: 0o700 });
  const { files = [] } = await inventoryOf(stored);
  const placed: AofFile[] = [];
  for (const file of files) {
    const ending = file.type === 'i' ? 'incr.aof' : file.name.endsWith('.rdb') ? 'base.rdb' : 'base.aof';
    const name = `${names.prefix}.${file.sequence}.${ending}`;
    await stored.save(file.artifact, join(directory, name));
    await requireLength(join(directory, name), file.bytes);
    await truncate(join(directory, name), file.completeBytes);
    placed.push({ name, sequence: file.sequence, type: file.type });
  }
  await writeFile(join(directory, `${names.prefix}.manifest`), writeAofManifest(placed), { mode: 0o600 });
}

// Cutting a file that is too short would lengthen it with zeros.
async function requireLength(path: string, bytes: number): Promise<void> {
  const { size } = await stat(path);
  if (size === bytes) return;
  throw new Failure('ARTIFACT_DAMAGED', `an append-only file has ${size} bytes, ${bytes} are recorded`, {
    system: 'redis',
  });
}

// Right after loading, before anything can expire: what the server holds must be what was recorded, to the key.
async function requireRecorded(redis: Redis, { manifest, ...rest }: StoredBackup): Promise<void> {
  const info = await infoOf(redis);
  const loaded = Number(info.rdb_last_load_keys_loaded ?? 0) + Number(info.rdb_last_load_keys_expired ?? 0);
  const recorded = manifest.counts[manifest.kind === 'aof' ? 'keysInBase' : 'keys'];
  if (loaded !== recorded)
    throw new Failure('RESTORE_MISMATCH', `${loaded} keys were loaded, ${recorded} are recorded`);
  if (manifest.kind === 'aof') return;
  const { databases = {} } = await inventoryOf({ manifest, ...rest });
  const found = keyspaceOf(info);
  for (const name of new Set([...Object.keys(databases), ...Object.keys(found)])) {
    const [is, was] = [found[name]?.keys ?? 0, databases[name]?.keys ?? 0];
    if (is !== was)
      throw new Failure('RESTORE_MISMATCH', `database ${name} has ${is} keys after loading, ${was} are recorded`);
  }
  const libraries = ((await redis.call('FUNCTION', 'LIST')) as unknown[]).length;
  if (libraries !== manifest.counts.functionLibraries)
    throw new Failure('RESTORE_MISMATCH', `${libraries} function libraries, not ${manifest.counts.functionLibraries}`);
}
