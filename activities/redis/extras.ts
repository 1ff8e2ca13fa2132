// Functions, accounts and settings: restored only when asked for, each with what it replaces kept first. Accounts and
// settings hold secrets: names are shown, values never.
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Redis } from 'ioredis';
import { artifactsOf, type StoredBackup } from '../../domain/contracts/backup-content.ts';
import { Failure } from '../../domain/failures.ts';
import type { JsonValue } from '../../domain/json.ts';
import { differingUsers, parseAcl } from '../../domain/systems/redis-acl.ts';
import { differingSettings } from '../../domain/systems/redis-restore.ts';
import { pairs, settingsOf, withStore } from './client.ts';
import type { RestoreContext } from './restore-context.ts';
import type { RedisDependencies } from './run-folder.ts';
import { onlyArtifact } from './stored-content.ts';

export type Extra = 'functions' | 'acl' | 'configuration';

const BEFORE: Readonly<Record<Extra, string>> = {
  functions: 'functions-before.bin',
  acl: 'acl-before.txt',
  configuration: 'configuration-before.json',
};

/** Names of what differs, for those parts that the options ask for. */
export async function extrasDifference(
  deps: RedisDependencies,
  stored: StoredBackup,
  options: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, JsonValue>>> {
  const difference: Record<string, JsonValue> = {};
  await withStore(deps.configuration, async (redis) => {
    if (options.acl === 'restore')
      difference.aclUsers = differingUsers(await usersIn(stored), await usersNow(redis)).map(readable);
    if (options.configuration === 'restore')
      difference.settings = differingSettings(await settingsIn(stored), await settingsNow(redis));
    if (options.functions === 'restore') difference.functionsBytes = (await bytesOf(stored, 'functions')).length;
  }).catch((error: unknown) => {
    // A store that is down is compared after it has been started.
    const asked = Object.keys(BEFORE).some((name) => options[name] === 'restore');
    if (asked || !(error instanceof Failure && error.code === 'STORE_UNREACHABLE')) throw error;
  });
  return difference;
}

/** Restores one part. A second run keeps the first run's note of what was there. */
export async function restoreExtra(context: RestoreContext, extra: Extra): Promise<string> {
  return await withStore(context.deps.configuration, async (redis) => {
    await keepBefore(context, extra, redis);
    if (extra === 'functions') return await restoreFunctions(redis, await bytesOf(context.stored, 'functions'));
    if (extra === 'acl') return await restoreAccounts(context, redis);
    return await restoreSettings(context, redis);
  });
}

/** Puts back what `restoreExtra` replaced; nothing when it never ran. */
export async function undoExtra(context: RestoreContext, extra: Extra): Promise<string> {
  const before = await readFile(join(context.keptFolder, BEFORE[extra])).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (before === null) return 'nothing had been changed';
  return await withStore(context.deps.configuration, async (redis) => {
    if (extra === 'functions') await redis.call('FUNCTION', 'RESTORE', before, 'FLUSH');
    if (extra === 'acl') await undoAccounts(context, redis, before.toString('latin1'));
    if (extra === 'configuration') await setAll(redis, JSON.parse(before.toString('utf8')) as Record<string, string>);
    return 'put back what was there';
  });
}

// Whole or not there: an undo that read half a note would take away what it should put back.
async function keepBefore(context: RestoreContext, extra: Extra, redis: Redis): Promise<void> {
  await mkdir(context.keptFolder, { recursive: true, mode: 0o700 });
  const path = join(context.keptFolder, BEFORE[extra]);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await writeFile(`${path}.new`, await readBefore(context, extra, redis), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
}

async function readBefore({ stored }: RestoreContext, extra: Extra, redis: Redis): Promise<Buffer> {
  if (extra === 'functions') return (await redis.callBuffer('FUNCTION', 'DUMP')) as Buffer;
  if (extra === 'acl') return Buffer.from(await accountsOf(redis), 'latin1');
  const now = await settingsNow(redis);
  const names = differingSettings(await settingsIn(stored), now);
  return Buffer.from(JSON.stringify(Object.fromEntries(names.map((name) => [name, now[name]]))));
}

async function restoreFunctions(redis: Redis, dump: Buffer): Promise<string> {
  await redis.call('FUNCTION', 'RESTORE', dump, 'REPLACE');
  return `${((await redis.call('FUNCTION', 'LIST')) as unknown[]).length} libraries are loaded`;
}

// The account that this worker uses stays as it is: replacing it could lock the restore out of the store.
async function restoreAccounts({ stored }: RestoreContext, redis: Redis): Promise<string> {
  const own = await ownName(redis);
  const wanted = await usersIn(stored);
  const names = new Set(differingUsers(wanted, await usersNow(redis)).filter((name) => name !== own));
  for (const { name, rules } of wanted) if (names.has(name)) await setAccount(redis, name, rules);
  return `${names.size} accounts were set; ${await keepAccounts(redis)}`;
}

async function undoAccounts({ stored }: RestoreContext, redis: Redis, before: string): Promise<void> {
  const own = await ownName(redis);
  const old = parseAcl(before);
  const known = new Set(old.map(({ name }) => name));
  for (const { name, rules } of old) if (name !== own) await setAccount(redis, name, rules);
  for (const { name } of await usersIn(stored))
    if (!known.has(name)) await redis.call('ACL', 'DELUSER', Buffer.from(name, 'latin1'));
  await keepAccounts(redis);
}

const ownName = async (redis: Redis) => ((await redis.callBuffer('ACL', 'WHOAMI')) as Buffer).toString('latin1');

const setAccount = (redis: Redis, name: string, rules: readonly string[]) =>
  redis.call('ACL', 'SETUSER', ...[name, 'reset', ...rules].map((word) => Buffer.from(word, 'latin1')));

// Accounts that were set while a server runs are gone at its next start, unless they are written where it reads them.
async function keepAccounts(redis: Redis): Promise<string> {
  const { aclfile = '' } = await settingsOf(redis, 'aclfile');
  if (aclfile === '') return "they last until the server is restarted: keep them with 'CONFIG REWRITE'";
  await redis.call('ACL', 'SAVE');
  return 'they are saved in its aclfile';
}

async function restoreSettings({ stored }: RestoreContext, redis: Redis): Promise<string> {
  const wanted = await settingsIn(stored);
  const names = differingSettings(wanted, await settingsNow(redis));
  const refused = await setAll(redis, Object.fromEntries(names.map((name) => [name, wanted[name] as string])));
  const rest = refused.length === 0 ? '' : `; the server does not take ${refused.join(', ')} while it runs`;
  const kept = "they last until the server is restarted: keep them with 'CONFIG REWRITE'";
  return `${names.length - refused.length} settings were set${rest}; ${kept}`;
}

async function setAll(redis: Redis, values: Readonly<Record<string, string>>): Promise<string[]> {
  const refused: string[] = [];
  for (const [name, value] of Object.entries(values)) {
    // The server's words may repeat the value, which may be a secret: only the name is told.
    await redis.call('CONFIG', 'SET', name, value).catch(() => refused.push(name));
  }
  return refused;
}

async function usersIn(stored: StoredBackup) {
  return parseAcl((await bytesOf(stored, 'acl')).toString('latin1'));
}

async function usersNow(redis: Redis) {
  return parseAcl(await accountsOf(redis));
}

// Names and patterns may hold any bytes: they stay bytes, one letter each.
async function accountsOf(redis: Redis): Promise<string> {
  const lines = (await redis.callBuffer('ACL', 'LIST')) as Buffer[];
  return lines.map((line) => line.toString('latin1')).join('\n');
}

const readable = (name: string) => Buffer.from(name, 'latin1').toString('utf8');

async function settingsIn(stored: StoredBackup): Promise<Readonly<Record<string, string>>> {
  return JSON.parse((await bytesOf(stored, 'configuration')).toString('utf8')) as Record<string, string>;
}

async function settingsNow(redis: Redis): Promise<Readonly<Record<string, string>>> {
  return pairs((await redis.call('CONFIG', 'GET', '*')) as string[]);
}

async function bytesOf(stored: StoredBackup, role: Extra): Promise<Buffer> {
  const { manifest } = stored;
  if (artifactsOf(manifest, role).length === 0)
    throw new Failure('PART_NOT_FOUND', `backup '${manifest.backupId}' holds no ${role}`, {
      backup: manifest.backupId,
    });
  return await buffer(Readable.from(stored.read(onlyArtifact(manifest, role))));
}
