// Restoring files: plan, stage, write, compare, undo. Into scratch and onto the live files by the same code.
import { join } from 'node:path';
import type { BackupReader, StoredBackup } from '../../domain/contracts/backup-content.ts';
import type {
  Finding,
  FinishRestoreInput,
  FinishRestoreResult,
  RestorePlan,
  RestoreRequest,
  RestoreStepInput,
  RestoreStepResult,
} from '../../domain/contracts/protected-system.ts';
import { Failure } from '../../domain/failures.ts';
import type { FileEntry } from '../../domain/files/entry.ts';
import { requireKnownStep } from '../shared/known-step.ts';
import { removeRunFolder } from '../shared/run-folder.ts';
import { type Accounts, readAccounts } from './accounts.ts';
import { readInventory } from './archive-reader.ts';
import { placesBelow } from './below-folder.ts';
import type { FileCollection, ReadContent } from './collection.ts';
import { relinked } from './hard-links.ts';
import { Kept } from './kept.ts';
import { isNoFolder } from './place.ts';
import { putBack } from './put-back.ts';
import {
  describeAll,
  digestOf,
  isAlike,
  isEqual,
  keepBefore,
  replaceLive,
  type Target,
  temporaryNameOf,
  writeAll,
} from './replace.ts';
import { diffWithLive, makePlan, requireSameKinds, STEPS, selectEntries } from './restore-plan.ts';
import { makeEmpty, runFolders } from './run-folders.ts';
import { Staging } from './staging.ts';
import { readContents } from './survey.ts';
import { canSetOwner, type WriteRules } from './write-entry.ts';

export interface RestoreDependencies {
  readonly reader: BackupReader;
  readonly workDirectory: string;
  readonly collection: FileCollection;
  /** Whether findings of the stored content stop a live restore. @throws {Failure} when they do. */
  readonly admit: (request: RestoreRequest, findings: readonly Finding[]) => void;
}

interface Opened {
  readonly stored: StoredBackup;
  readonly all: readonly FileEntry[];
  readonly selected: readonly FileEntry[];
}

/** One restore's verbs over one collection. */
export class FileRestore {
  readonly #deps: RestoreDependencies;

  constructor(deps: RestoreDependencies) {
    this.#deps = deps;
  }

  async plan(request: RestoreRequest): Promise<RestorePlan> {
    const { collection } = this.#deps;
    const opened = await this.#open(request);
    requireIdentity(request, opened.stored, collection);
    const { scratch, kept } = this.#folders(request);
    // Nothing waits in the clear while people think the plan over, or when it is refused.
    const findings = await this.#judge(request, opened).finally(() => removeRunFolder(scratch));
    const base = { request, selected: opened.selected, findings, keptFolder: kept };
    if (request.target === 'scratch') return makePlan({ ...base, diff: null, liveDigest: null, where: scratch });
    const live = await this.#live(opened.selected);
    requireSameKinds(opened.selected, live);
    const diff = diffWithLive(opened.selected, live);
    return makePlan({ ...base, diff, liveDigest: digestOf(live), where: collection.root });
  }

  async #live(selected: readonly FileEntry[]): Promise<Map<string, FileEntry | null>> {
    const paths = pathsOf(selected);
    return describeAll(this.#deps.collection, paths, await readAccounts()).catch((error) => {
      if (!isNoFolder(error)) throw error;
      throw new Failure('TARGET_UNSAFE', 'a link or a file stands where the backup has a folder', {}, error);
    });
  }

  async #open({ backup, tier, ...request }: RestoreRequest): Promise<Opened> {
    const stored = await this.#deps.reader.open(backup, tier ?? undefined);
    const all = await readInventory(stored, this.#deps.collection.root);
    const selected = relinked(selectEntries({ backup, tier, ...request }, all, this.#deps.collection));
    return { stored, all, selected };
  }

  // Certificates are judged before anything is agreed to; that needs their content, so they are staged already here.
  async #judge(request: RestoreRequest, opened: Opened): Promise<readonly Finding[]> {
    const { judge } = this.#deps.collection;
    if (judge === undefined) return [];
    await this.#fill(request, opened);
    const { findings } = await judge(await this.#contentAfter(request, opened), pathsOf(opened.selected));
    if (request.target === 'live') this.#deps.admit(request, findings);
    return findings;
  }

  // What will be there afterwards: the selected files from the backup, beside them what is live now.
  async #contentAfter(request: RestoreRequest, { all, selected }: Opened): Promise<ReadContent> {
    const stored = await this.#staging(request).contents(all);
    if (request.target === 'scratch' || selected.length === all.length) return stored;
    const chosen = new Set(pathsOf(selected));
    const live = await readContents(
      this.#deps.collection,
      pathsOf(all).filter((path) => !chosen.has(path)),
    );
    return (path) => (chosen.has(path) ? stored(path) : live(path));
  }

  async #fill(request: RestoreRequest, { stored, all, selected }: Opened): Promise<number> {
    return this.#staging(request).fill(stored, all, this.#deps.collection.judge ? all : selected);
  }

  async runStep({ plan, stepId }: RestoreStepInput): Promise<RestoreStepResult> {
    const { request } = plan;
    this.#requireKnown(stepId);
    const opened = await this.#open(request);
    if (stepId === STEPS.stage) return this.#stage(request, opened);
    if (stepId === STEPS.write) return this.#write(plan, opened);
    return this.#compare(request, opened);
  }

  async #stage(request: RestoreRequest, opened: Opened): Promise<RestoreStepResult> {
    const bytes = await this.#fill(request, opened);
    const files = opened.selected.filter(({ kind }) => kind === 'file').length;
    return result(`${opened.all.length} entries agree with the inventory, ${files} files staged`, { bytes, files });
  }

  async #write(plan: RestorePlan, opened: Opened): Promise<RestoreStepResult> {
    const { request } = plan;
    const staging = this.#staging(request);
    if (!(await staging.isComplete())) await this.#fill(request, opened);
    await this.#judge(request, opened);
    const accounts = await readAccounts();
    const rules = this.#rules(request, accounts, (entry) => staging.content(entry));
    if (request.target === 'scratch') return this.#writeScratch(request, opened.selected, rules);
    const kept = new Kept(this.#folders(request).kept, accounts);
    const { collection } = this.#deps;
    const observed = String(plan.observed.liveDigest);
    const journal = await keepBefore(collection, opened.selected, kept, observed, accounts);
    const replaced = await replaceLive(collection, journal, rules);
    return result(`${journal.length} paths put back, ${opened.selected.length - journal.length} were equal`, {
      paths: journal.length,
      replaced,
    });
  }

  async #writeScratch(request: RestoreRequest, selected: readonly FileEntry[], rules: WriteRules) {
    await makeEmpty(this.#scratchRoot(request));
    await writeAll(this.#target(request), selected, rules);
    return result(`${selected.length} entries written into scratch`, { paths: selected.length });
  }

  async #compare(request: RestoreRequest, { selected }: Opened): Promise<RestoreStepResult> {
    const paths = pathsOf(selected);
    const found = await describeAll(this.#target(request), paths, await readAccounts());
    const wrong = selected.filter((entry) => !isAlike(found.get(entry.path) ?? null, entry));
    if (wrong.length > 0) {
      const names = wrong.slice(0, 5).map(({ path }) => JSON.stringify(path));
      throw new Failure(
        'RESTORE_MISMATCH',
        `${wrong.length} of ${selected.length} entries differ: ${names.join(', ')}`,
      );
    }
    const apart = selected.filter((entry) => !isEqual(found.get(entry.path) ?? null, entry));
    const message = canSetOwner()
      ? 'content, mode, owner and target are equal'
      : 'content, mode and target are equal; owners cannot be set or compared without root';
    const level = canSetOwner() ? 'ok' : 'warning';
    return result(`${selected.length} entries compared`, { compared: selected.length }, [
      { level, subject: `${selected.length} entries`, message, code: null },
      ...apart.slice(0, SHOWN_APART).map(notLinked),
    ]);
  }

  #requireKnown(stepId: string): void {
    requireKnownStep(this.#deps.collection.system, Object.values(STEPS), stepId);
  }

  async undoStep({ plan: { request }, stepId }: RestoreStepInput): Promise<RestoreStepResult> {
    this.#requireKnown(stepId);
    if (stepId !== STEPS.write || request.target !== 'live') return result('there is nothing to undo', {});
    const accounts = await readAccounts();
    const kept = new Kept(this.#folders(request).kept, accounts);
    const journal = await kept.journal();
    if (journal === null) return result('nothing had been replaced', {});
    const rules = this.#rules(request, accounts, (entry) => kept.content(entry));
    const findings = await putBack(this.#deps.collection, journal, kept, rules);
    return result(`${journal.length} paths are as they were`, { paths: journal.length }, findings);
  }

  async finish({ plan: { request }, outcome }: FinishRestoreInput): Promise<FinishRestoreResult> {
    const { scratch, kept: folder } = this.#folders(request);
    await removeRunFolder(scratch);
    const kept = new Kept(folder, await readAccounts());
    const journal = request.target === 'live' ? await kept.journal() : null;
    const isNeeded = journal !== null && (outcome !== 'undone' || (await kept.hasForeign()));
    if (!isNeeded) {
      await removeRunFolder(folder);
      return { kept: [] };
    }
    const replaced = journal.filter(({ before }) => before !== null && before.kind !== 'directory').length;
    const removeWith = `rm -r -- ${quoted(folder)}`;
    return { kept: [{ what: `${replaced} replaced files and the journal`, where: folder, removeWith }] };
  }

  #rules(request: RestoreRequest, accounts: Accounts, content: WriteRules['content']): WriteRules {
    return { accounts, content, temporaryName: temporaryNameOf(request.run) };
  }

  #folders({ run }: RestoreRequest) {
    return runFolders(this.#deps.workDirectory, run, this.#deps.collection.system);
  }

  #staging(request: RestoreRequest): Staging {
    return new Staging(this.#folders(request).scratch);
  }

  #scratchRoot(request: RestoreRequest): string {
    return join(this.#folders(request).scratch, 'restored');
  }

  #target(request: RestoreRequest): Target {
    return request.target === 'live' ? this.#deps.collection : { withPlace: placesBelow(this.#scratchRoot(request)) };
  }
}

const SHOWN_APART = 20;

const notLinked = ({ path, linkedTo }: FileEntry): Finding => ({
  level: 'warning',
  subject: `file ${JSON.stringify(path)}`,
  message: `was one file with ${JSON.stringify(linkedTo)}, and this file system holds them as two`,
  code: null,
});

function requireIdentity(request: RestoreRequest, stored: StoredBackup, { identity }: FileCollection): void {
  if (request.target !== 'live') return;
  const needed = request.expectedIdentity ?? String(stored.manifest.source.identity);
  if (needed === identity) return;
  throw new Failure('TARGET_MISMATCH', `the target is '${identity}', and '${needed}' was named`);
}

function result(summary: string, facts: RestoreStepResult['facts'], findings: readonly Finding[] = []) {
  return { summary, facts, findings } satisfies RestoreStepResult;
}

const pathsOf = (entries: readonly FileEntry[]): string[] => entries.map(({ path }) => path);

const quoted = (path: string) => `'${path.replaceAll("'", `'\\''`)}'`;
