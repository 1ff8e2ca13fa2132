// What the composition root hands to every protected system's factory.
import type { ClockSkew } from '../../domain/clocks.ts';
import type { BackupReader, BackupWriter } from '../../domain/contracts/backup-content.ts';
import type { OwnFile } from '../../domain/own-file.ts';

export interface SystemDependencies<Configuration> {
  readonly platform: string;
  readonly site: string;
  readonly configuration: Configuration;
  /** Scratch space of this site. A run's files live in `<workDirectory>/<run>/` (0700) and go with it. */
  readonly workDirectory: string;
  /** Unprivileged user for scratch servers when the worker is root. */
  readonly scratchUser: string | undefined;
  readonly writer: BackupWriter;
  readonly reader: BackupReader;
  /** How far the clocks of the site's stores are from this machine's. Absent where none are asked. */
  readonly clocks?: (() => Promise<readonly ClockSkew[]>) | undefined;
  /** Holdfast's own file, for the backup of the configuration. Absent where no file is known. */
  readonly ownFile?: (() => Promise<OwnFile>) | undefined;
}
