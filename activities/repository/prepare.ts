// Looks at every tier by using it: a probe is written, written again with other bytes (which must be refused), read and
// removed. What a tier says about itself is not believed.
import { randomUUID } from 'node:crypto';
import { MOST_SKEW_MS } from '../../domain/clocks.ts';
import type { Finding } from '../../domain/contracts/protected-system.ts';
import type { RepositoryFacts } from '../../domain/contracts/repository.ts';
import { Failure, isFailureCode } from '../../domain/failures.ts';
import { canonicalJson } from '../../domain/json.ts';
import { FORMAT, requireFormat } from '../../domain/manifest-record.ts';
import { parseJson, shapeOf } from '../../domain/record-shape.ts';
import { REPOSITORY_RECORD } from '../../domain/repository-layout.ts';
import { newestCheckpoint } from './checkpoints.ts';
import type { RepositoryContext } from './context.ts';
import { checkKeys } from './key-check.ts';
import { type BackupStore, createText, readText, type Unfinished } from './store.ts';
import { failedFinding } from './stored-check.ts';

const PROBES = 'probes/';
const DAY_MS = 24 * 60 * 60 * 1000;
const LOW_BYTES = 1024 ** 3;

type TierFacts = RepositoryFacts['tiers'][number];

interface Examined {
  readonly tier: TierFacts;
  readonly findings: readonly Finding[];
}

/** Everything that can be found out about the repository from here. A tier that fails is a finding, not an error. */
export async function inspectRepository(context: RepositoryContext): Promise<RepositoryFacts> {
  const examined = await Promise.all(context.stores.map((store) => examineTier(context, store)));
  const findings = [...examined.flatMap((one) => one.findings), ...(await checkKeys(context))];
  if (!findings.some(({ level }) => level === 'failed')) findings.push(await examineCheckpoint(context));
  return { platform: context.platform, tiers: examined.map(({ tier }) => tier), findings };
}

/** Like `inspectRepository`. @throws {Failure} the first finding that failed. */
export async function prepareRepository(context: RepositoryContext): Promise<RepositoryFacts> {
  const facts = await inspectRepository(context);
  const failed = facts.findings.find(({ level }) => level === 'failed');
  if (!failed) return facts;
  const code = isFailureCode(failed.code) ? failed.code : 'BUG';
  throw new Failure(
    code,
    `${failed.subject}: ${failed.message}`,
    failed.mend ? { need: failed.mend, mend: failed.mend } : {},
  );
}

async function examineTier(context: RepositoryContext, store: BackupStore): Promise<Examined> {
  const subject = `tier ${store.name}`;
  try {
    const skewMs = await probe(context, store);
    await requireOwn(context, store);
    const unfinished = await sweep(store, context.now().getTime() + skewMs);
    const freeBytes = await store.freeBytes();
    const findings = [
      tierFinding(subject),
      ...unfinishedFindings(subject, unfinished),
      ...skewFindings(subject, skewMs),
      ...spaceFindings(subject, freeBytes),
    ];
    return { tier: { name: store.name, kind: store.kind, freeBytes, createOnly: true }, findings };
  } catch (error) {
    const finding = { ...failedFinding(subject, error), mend: mendOf(error, store.name) };
    return { tier: { name: store.name, kind: store.kind, freeBytes: null, createOnly: false }, findings: [finding] };
  }
}

const tierFinding = (subject: string): Finding => ({
  level: 'ok',
  subject,
  message: 'it can be read and written, nothing can be replaced, and it is ours',
  code: null,
});

function mendOf(error: unknown, tier: string): string {
  const code = error instanceof Failure ? error.code : null;
  if (code === 'STORE_UNREACHABLE') return `mount or start what tier '${tier}' lies on; check repository.tiers.${tier}`;
  if (code === 'ACCESS_DENIED') return `let this worker's account list, read, write and delete in tier '${tier}'`;
  if (code === 'REPOSITORY_FOREIGN') return `give tier '${tier}' a folder or bucket of its own`;
  if (code === 'REPOSITORY_UNSAFE')
    return `use a store that honours "If-None-Match: *" or hard links for tier '${tier}'`;
  return `check repository.tiers.${tier}, then run 'dr doctor'`;
}

/** Tries create-only for real. @returns how far the store's clock is from ours, in ms. */
export async function probe(context: RepositoryContext, store: BackupStore): Promise<number> {
  const name = `${PROBES}${randomUUID()}`;
  await createText(store, name, 'first');
  const at = context.now().getTime();
  try {
    await requireRefusal(store, name);
    const found = await store.stat(name);
    if (!found || (await readText(store, name)) !== 'first')
      throw new Failure('REPOSITORY_UNSAFE', `tier '${store.name}' does not give back what was written`);
    return Date.parse(found.modifiedAt) - at;
  } finally {
    await store.remove(name);
  }
}

async function requireRefusal(store: BackupStore, name: string): Promise<void> {
  try {
    await createText(store, name, 'other');
  } catch (error) {
    if (error instanceof Failure && error.code === 'ALREADY_EXISTS_DIFFERENT') return;
    throw error;
  }
  throw new Failure('REPOSITORY_UNSAFE', `tier '${store.name}' replaced an object that was there`);
}

async function requireOwn(context: RepositoryContext, store: BackupStore): Promise<void> {
  const { platform } = context;
  const text = (await readText(store, REPOSITORY_RECORD)) ?? (await createOwn(context, store));
  const shape = shapeOf(
    parseJson(text, REPOSITORY_RECORD, 'REPOSITORY_FOREIGN'),
    REPOSITORY_RECORD,
    'REPOSITORY_FOREIGN',
  );
  requireFormat(shape.whole('format'), REPOSITORY_RECORD);
  const found = shape.text('platform');
  if (found !== platform)
    throw new Failure(
      'REPOSITORY_FOREIGN',
      `tier '${store.name}' belongs to platform '${found}', not to '${platform}'`,
    );
}

async function createOwn(context: RepositoryContext, store: BackupStore): Promise<string> {
  const text = canonicalJson({ format: FORMAT, platform: context.platform, created: context.now().toISOString() });
  try {
    await createText(store, REPOSITORY_RECORD, text);
    return text;
  } catch (error) {
    // Another worker was quicker by a moment; what it wrote is compared.
    const theirs =
      error instanceof Failure && error.code === 'ALREADY_EXISTS_DIFFERENT'
        ? await readText(store, REPOSITORY_RECORD)
        : null;
    if (theirs === null) throw error;
    return theirs;
  }
}

const MOST_UPLOAD_MS = 7 * DAY_MS;

// What died half-way earlier: probes after a day, uploads after a week, both by the store's own clock.
async function sweep(store: BackupStore, nowMs: number): Promise<Unfinished> {
  const old = (await store.list(PROBES)).filter(({ modifiedAt }) => nowMs - Date.parse(modifiedAt) > DAY_MS);
  for (const { name } of old) await store.remove(name);
  return store.removeUnfinished('', new Date(nowMs - MOST_UPLOAD_MS));
}

function unfinishedFindings(subject: string, { removed, left }: Unfinished): readonly Finding[] {
  if (removed + left === 0) return [];
  const message = `uploads that were never completed: ${removed} older than 7 days removed, ${left} younger left`;
  return [{ level: 'ok', subject, message, code: null }];
}

function skewFindings(subject: string, skewMs: number): readonly Finding[] {
  if (Math.abs(skewMs) <= MOST_SKEW_MS) return [];
  const message = `its clock is ${Math.round(skewMs / 1000)} s from this machine's`;
  return [{ level: 'warning', subject, message, code: 'CLOCK_SKEWED', mend: 'timedatectl set-ntp true' }];
}

function spaceFindings(subject: string, freeBytes: number | null): readonly Finding[] {
  if (freeBytes === null || freeBytes >= LOW_BYTES) return [];
  const message = `only ${freeBytes} bytes are free`;
  return [{ level: 'warning', subject, message, code: 'NO_SPACE', mend: 'dr retention plan' }];
}

async function examineCheckpoint(context: RepositoryContext): Promise<Finding> {
  const subject = 'checkpoint';
  try {
    const newest = await newestCheckpoint(context);
    const held = newest?.checkpoint.backups.length ?? 0;
    return { level: 'ok', subject, message: `number ${newest?.checkpoint.number ?? 0}, ${held} backups`, code: null };
  } catch (error) {
    return { ...failedFinding(subject, error), mend: 'dr verify --all' };
  }
}
