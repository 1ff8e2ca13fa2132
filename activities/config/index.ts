// Configuration: files by pattern below one root, with modes and owners, and what changed between two backups.
import { join } from 'node:path';
import type { SystemConfiguration } from '../../domain/configuration/schema.ts';
import type { ProtectedSystem } from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import { pathFilter } from '../../domain/files/glob.ts';
import { OWN_FILE, ownFileText } from '../../domain/own-file.ts';
import { placesBelow } from '../files/below-folder.ts';
import type { FileCollection } from '../files/collection.ts';
import { type Beside, createFileStore } from '../files/file-store.ts';
import { listBelow } from '../files/walk.ts';
import type { SystemDependencies } from '../shared/system-dependencies.ts';
import { type BackupDifference, type DiffBackupsInput, diffBackups } from './diff-backups.ts';

export interface ConfigActivities extends ProtectedSystem {
  /** What changed between two backups, values masked. See `diffBackups`. */
  diffBackups(input: DiffBackupsInput): Promise<BackupDifference>;
}

/** The activities `config.<verb>` of one site. */
export function createConfig(deps: SystemDependencies<SystemConfiguration<'config'>>): ConfigActivities {
  const collection = configCollection(deps.platform, deps.configuration);
  return {
    ...createFileStore(deps, { collection, beside: () => ownArtifact(deps.ownFile) }),
    diffBackups: (input) => diffBackups(deps.reader, collection.root, input),
  };
}

// Without Holdfast's own file the backup is still one of the platform's files: that it is missing is told with it.
async function ownArtifact(read: SystemDependencies<unknown>['ownFile']): Promise<Beside> {
  if (read === undefined) return { artifacts: [], findings: [] };
  try {
    const bytes = Buffer.from(ownFileText(await read()));
    return { artifacts: [{ spec: { name: OWN_FILE, role: 'holdfast' }, bytes }], findings: [] };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const message = `is not in this backup, so 'dr rebuild' cannot use it: ${error.message}`;
    return {
      artifacts: [],
      findings: [{ level: 'warning', subject: "Holdfast's own file", message, code: error.code }],
    };
  }
}

function configCollection(
  platform: string,
  { root, patterns, exclude }: SystemConfiguration<'config'>,
): FileCollection {
  const folder = join(root); // Normalised, without a slash at its end.
  const filter = pathFilter(patterns, exclude);
  return {
    system: 'config',
    identity: `${platform}:config:${folder}`,
    root: folder,
    source: { patterns, exclude },
    list: () => listBelow(folder, filter),
    withPlace: placesBelow(folder),
    locationOf: async (path) => `${folder}/${path}`,
    pathOf: (name) => (name.startsWith(`${folder}/`) ? name.slice(folder.length + 1) : name),
  };
}
