// A copy of a folder that is brought up to date in passes: everything first, then only what changed. The last pass runs
// while the broker stands still, so it must be short and must miss nothing.
import {
  type BigIntStats,
  chownSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';
import { throwIfCancelled } from '../shared/activity-context.ts';

export interface CopyPass {
  readonly files: number;
  readonly bytes: number;
  readonly copiedFiles: number;
  readonly copiedBytes: number;
  readonly elapsedMs: number;
}

interface Seen {
  readonly stamp: string;
  /** True when the file changed so shortly before it was read that a later change may show the same times. */
  readonly isRacy: boolean;
}

const LARGE = 8 * 1024 * 1024;
const RACY_MS = 100n;
const NS_PER_MS = 1_000_000n;

/** Names are bytes on the disk: as latin1 text every byte is one character, so any name survives. */
const onDisk = (path: string): Buffer => Buffer.from(path, 'latin1');

export class FolderCopy {
  private readonly from: string;
  private readonly to: string;
  private readonly copied = new Map<string, Seen>();

  constructor(from: string, to: string) {
    this.from = Buffer.from(from).toString('latin1');
    this.to = Buffer.from(to).toString('latin1');
  }

  /**
   * Copies what is new or changed and removes what is gone.
   * @param isStill true while nothing changes the source: a file that vanishes is then a failure.
   * @throws {Failure} NO_FILE_ACCESS for what cannot be copied faithfully; NO_SPACE comes from the system's error.
   */
  async pass(isStill: boolean, onBytes: (bytes: number) => void = () => undefined): Promise<CopyPass> {
    const startedAt = performance.now();
    const sum = { files: 0, bytes: 0, copiedFiles: 0, copiedBytes: 0 };
    const present = new Set<string>();
    present.add('');
    this.makeFolder('', lstatSync(onDisk(this.from), { bigint: true }));
    for (const { path, stat } of this.walk('', isStill)) {
      present.add(path);
      if (stat.isDirectory()) {
        this.makeFolder(path, stat);
        continue;
      }
      sum.files += 1;
      sum.bytes += Number(stat.size);
      if (this.isUnchanged(path, stat)) continue;
      if (!(await this.copyOne(path, stat, isStill))) continue;
      sum.copiedFiles += 1;
      sum.copiedBytes += Number(stat.size);
      onBytes(Number(stat.size));
      if (sum.copiedFiles % 64 === 0) await breathe();
      throwIfCancelled();
    }
    this.removeGone(present);
    return { ...sum, elapsedMs: performance.now() - startedAt };
  }

  private *walk(folder: string, isStill: boolean): Generator<{ path: string; stat: BigIntStats }> {
    for (const name of namesIn(`${this.from}/${folder}`, isStill)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const stat = lstatSync(onDisk(`${this.from}/${path}`), { bigint: true, throwIfNoEntry: isStill });
      if (stat === undefined) continue;
      if (!stat.isDirectory() && !stat.isFile()) throw unfit(path);
      yield { path, stat };
      if (stat.isDirectory()) yield* this.walk(path, isStill);
    }
  }

  private makeFolder(path: string, stat: BigIntStats): void {
    if (this.copied.has(path)) return;
    mkdirSync(onDisk(`${this.to}/${path}`), { recursive: true, mode: 0o700 });
    chownSync(onDisk(`${this.to}/${path}`), Number(stat.uid), Number(stat.gid));
    this.copied.set(path, { stamp: 'folder', isRacy: false });
  }

  private isUnchanged(path: string, stat: BigIntStats): boolean {
    const seen = this.copied.get(path);
    return seen !== undefined && !seen.isRacy && seen.stamp === stampOf(stat);
  }

  private async copyOne(path: string, stat: BigIntStats, isStill: boolean): Promise<boolean> {
    const [source, target] = [onDisk(`${this.from}/${path}`), onDisk(`${this.to}/${path}`)];
    const recently = BigInt(Date.now()) - RACY_MS;
    const isRacy = stat.mtimeNs / NS_PER_MS >= recently || stat.ctimeNs / NS_PER_MS >= recently;
    try {
      if (stat.size > LARGE) await copyFile(source, target, constants.COPYFILE_FICLONE);
      else copyFileSync(source, target, constants.COPYFILE_FICLONE);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !isStill) return false;
      throw error;
    }
    chownSync(target, Number(stat.uid), Number(stat.gid));
    this.copied.set(path, { stamp: stampOf(stat), isRacy });
    return true;
  }

  private removeGone(present: ReadonlySet<string>): void {
    for (const path of this.copied.keys()) {
      if (present.has(path)) continue;
      rmSync(onDisk(`${this.to}/${path}`), { recursive: true, force: true });
      this.copied.delete(path);
    }
  }
}

function namesIn(folder: string, isStill: boolean): string[] {
  try {
    return readdirSync(onDisk(folder), { encoding: 'latin1' }) as string[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !isStill) return [];
    throw error;
  }
}

const stampOf = (stat: BigIntStats): string => `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;

function unfit(path: string): Failure {
  const shown = JSON.stringify(onDisk(path).toString('utf8'));
  return new Failure('NO_FILE_ACCESS', `the data folder holds ${shown}, which is neither a file nor a folder`);
}
