// What a system of files tells the shared code about itself: which files there are, and where each lies.
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import type { Place } from './place.ts';

export interface LeftOut {
  readonly path: string;
  readonly why: string;
}

export interface Listing {
  /** Paths in the archive, each folder before what is in it. */
  readonly paths: readonly string[];
  /** What was asked for and cannot be protected. */
  readonly leftOut: readonly LeftOut[];
}

/** What the content of the files means. `read` gives a file's bytes by its path in the archive. */
export interface Judgement {
  readonly findings: readonly Finding[];
  readonly report: Readonly<Record<string, JsonValue>>;
}

export type ReadContent = (path: string) => Buffer | undefined;

export interface FileCollection {
  readonly system: 'config' | 'tls';
  /** What the files belong to; a live restore refuses any other. */
  readonly identity: string;
  /** Folder that links may point into by an absolute path. */
  readonly root: string;
  /** Facts for the manifest's source. */
  readonly source: Readonly<Record<string, JsonValue>>;
  list(): Promise<Listing>;
  /** Runs `work` with the place of a path on this machine; null when a folder on the way is absent. */
  withPlace<T>(path: string, makeFolders: boolean, work: (place: Place | null) => Promise<T>): Promise<T>;
  /** Where a path lies, for asking tools about it. What is read or written goes through `withPlace`. */
  locationOf(path: string): Promise<string>;
  /** The path in the archive that an operator means by `name`. */
  pathOf(name: string): string;
  /** What it means that a listed file is not there: nothing (left out and told), or a failure of this code. */
  readonly missing?: FailureCode;
  /** Looks into the content of what `paths` belong to. Systems without it protect any content. */
  readonly judge?: (read: ReadContent, paths: readonly string[]) => Promise<Judgement>;
}
