// Everything that Holdfast had on its machine is lost: it comes back from the bucket and the escrow key, and restores.
import { createHash, createPublicKey, randomUUID } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RebuildReport } from '../../domain/contracts/rebuild.ts';
import type { BackupSummary } from '../../domain/manifest.ts';
import { type LocalRedis, passwordOf, startRedis } from '../../local/redis.ts';
import { type LocalS3, startS3 } from '../../local/s3.ts';
import { storeUser } from '../../local/servers.ts';
import { type RunningTemporal, startTemporal } from '../../local/temporal.ts';
import { dr, type RunningDr, startDr } from './dr.ts';

let directory: string;
let temporal: RunningTemporal;
let s3: LocalS3;
let redis: LocalRedis;
let worker: RunningDr | undefined;
let sealer: string;
let escrow: string;
let audited: number;

const home = () => join(directory, 'orders');
const file = () => join(home(), 'holdfast.yaml');
const objects = () => join(directory, 's3/objects/backups');
const bucket = () => `s3://backups/orders/?endpoint=${encodeURIComponent(s3.endpoint)}&region=${s3.region}`;
const environment = () => ({
  ...{ TEMPORAL_ADDRESS: temporal.address, TMPDIR: join(directory, 'tmp') },
  ...{ AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey },
});
const run = (...args: string[]) => dr(args, { env: environment() });
const rebuild = (from: string, ...args: string[]) => run('rebuild', '--from', from, '--key', escrow, ...args);

async function startWorker(): Promise<void> {
  worker = startDr(['worker', '--config', file()], { env: environment() });
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await wait(500))
    if (!(await run('doctor', '--config', file(), '--json')).stdout.includes('NO_WORKER')) return;
  throw new Error('the worker does not take work');
}

async function stopWorker(): Promise<void> {
  worker?.child.kill('SIGTERM');
  await worker?.ended;
}

async function live<T>(work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ port: redis.port, username: 'holdfast', password: await passwordOf(redis) });
  return work(client).finally(() => client.disconnect());
}

const idOf = async (path: string) =>
  createHash('sha256')
    .update(createPublicKey(await readFile(path)).export({ type: 'spki', format: 'der' }))
    .digest('hex');

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-rebuild-'));
  await chmod(directory, 0o711);
  for (const name of ['app', 'tmp', 'offline', 'work']) await mkdir(join(directory, name));
  await chmod(join(directory, 'work'), 0o711);
  await writeFile(join(directory, 'app/.env'), 'MODE=first\n');
  [temporal, s3, redis] = await Promise.all([
    startTemporal({ directory: join(directory, 'temporal') }),
    startS3({ directory: join(directory, 's3') }),
    startRedis({ directory: join(directory, 'redis') }),
  ]);
  await s3.createBucket('backups');
  const address = `redis://holdfast:${await passwordOf(redis)}@127.0.0.1:${redis.port}\n`;
  const paths = ['--directory', home(), '--config-root', join(directory, 'app')];
  await dr(['init', '--from-urls', '-', ...paths, '--s3', bucket()], { input: address });
  const text = await readFile(file(), 'utf8');
  const user = storeUser(); // Its scratch servers must reach their folder.
  const work = `workDirectory: ${join(directory, 'work')}${user ? `\n    scratchUser: ${user}` : ''}`;
  await writeFile(file(), text.replace(/workDirectory: .*/, work));
  escrow = join(directory, 'offline/escrow.key');
  await rename(join(home(), 'keys/escrow.key'), escrow);
  sealer = await idOf(join(home(), 'keys/witness.pub'));
  await live((client) => client.mset('session:1', 'ann', 'session:2', '🐘'));
  await startWorker();
  const taken = await run('backup', '--all', '--config', file());
  expect(taken.stderr + taken.status).toMatch(/[03]$/);
  audited = (await readdir(join(objects(), 'orders/audit'))).length;
  await stopWorker();
  await cp(join(home(), 'data/backups'), join(directory, 'offline/copy'), { recursive: true });
  await rm(home(), { recursive: true });
}, 300_000);

afterAll(async () => {
  await stopWorker();
  await Promise.all([temporal?.stop(), s3?.stop(), redis?.stop()]);
  await rm(directory, { recursive: true, force: true });
});

describe('dr rebuild', () => {
  it('writes nothing before somebody has confirmed who sealed the repository, and tells whose key that is', async () => {
    const { status, stderr } = await rebuild(bucket(), '--directory', home());
    expect(stderr).toMatch(
      new RegExp(`sealed by key '${sealer}', which nobody has confirmed\\nMEANS: nothing was written`),
    );
    expect(stderr).toContain(`add --trust ${sealer}`);
    expect(status).toBe(4);
    const other = await rebuild(bucket(), '--directory', home(), '--trust', 'f'.repeat(64));
    expect(other.stderr).toContain('no configuration backup here carries the public key');
    expect(other.status).toBe(9);
    await expect(stat(home())).rejects.toThrow('ENOENT');
    expect(await readdir(join(directory, 'tmp'))).toEqual([]);
  });

  it('faults 28: refuses a key that opens nothing', async () => {
    const made = await run('keys', 'make', 'other', '--directory', join(directory, 'offline'));
    expect(made.status).toBe(0);
    const key = join(directory, 'offline/other.key');
    const { status, stderr } = await run('rebuild', '--from', bucket(), '--key', key, '--directory', home());
    expect(stderr).toMatch(/is not encrypted for a key of this worker\nMEANS: .*\nDO: .*restore, escrow/);
    expect(status).toBe(10);
  });

  it('faults 31: brings Holdfast back from the bucket with the escrow key alone', async () => {
    const { status, stdout, stderr } = await rebuild(bucket(), '--directory', home(), '--trust', sealer);
    expect(stderr).toBe('');
    expect(stdout).toContain(`sealer ${sealer}: you named its id`);
    expect(stdout).toContain(`! missing    \${file:${home()}/secrets/redis}  for sites.main.redis.password`);
    expect(stdout).toContain("tier 'local' is not there and was left out");
    expect(stdout).toContain("the private key of sealer 'witness' is lost: 'witness-2' was made");
    expect(stdout).toContain(`dr backups list --without-temporal --config ${file()}`);
    expect(stdout).toContain(`audit log: ${audited} record`);
    expect(status).toBe(3);
    const modes = await Promise.all(
      (await readdir(home(), { recursive: true })).map(async (name) => {
        const found = await stat(join(home(), name));
        return `${found.isDirectory() ? 'folder' : 'file'} ${(found.mode & 0o777).toString(8)}`;
      }),
    );
    expect([...new Set(modes)].sort()).toEqual(['file 600', 'folder 700']);
    expect(await readdir(join(home(), 'keys'))).not.toContain('escrow.key');
  });

  it('changes nothing when it runs again, and overwrites nothing that was edited', async () => {
    const before = await readFile(join(home(), 'keys/witness-2.key'), 'utf8');
    const again = await rebuild(bucket(), '--directory', home(), '--trust', sealer, '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ written: [] } satisfies Partial<RebuildReport>);
    expect(await readFile(join(home(), 'keys/witness-2.key'), 'utf8')).toBe(before);
    await writeFile(file(), `${await readFile(file(), 'utf8')}# looked at\n`);
    const refused = await rebuild(bucket(), '--directory', home(), '--trust', sealer);
    expect(refused.stderr).toMatch(/there with other content: '.*holdfast\.yaml'\nMEANS: it was not overwritten/);
    expect(refused.status).toBe(4);
    expect(await readFile(file(), 'utf8')).toContain('# looked at');
  });

  it('is a Holdfast that lists the backups, restores real data, seals new ones, and goes on with its audit log', async () => {
    await mkdir(join(home(), 'secrets'), { mode: 0o700 });
    await writeFile(join(home(), 'secrets/redis'), await passwordOf(redis), { mode: 0o600 });
    const listed = await run('backups', 'list', '--without-temporal', '--config', file(), '--json');
    const backups = JSON.parse(listed.stdout) as BackupSummary[];
    expect(backups.map(({ system }) => system).sort()).toEqual(['config', 'redis']);

    await startWorker();
    await live((client) => client.flushall());
    await writeFile(join(directory, 'app/.env'), 'MODE=broken\n');
    const keys = await run('restore', 'redis', '--pattern', 'session:*', '--confirm', 'orders', '--config', file());
    expect(keys.stderr).toContain('approved');
    expect([0, 3]).toContain(keys.status);
    expect(await live((client) => client.mget('session:1', 'session:2'))).toEqual(['ann', '🐘']);
    await run('restore', 'config', '--confirm', 'orders', '--config', file());
    expect(await readFile(join(directory, 'app/.env'), 'utf8')).toBe('MODE=first\n');

    expect([0, 3]).toContain((await run('backup', 'config', '--config', file())).status);
    const verified = await run('audit', 'verify', '--config', file());
    expect(verified.stdout).not.toContain('failed');
    expect(verified.status).toBe(0);
    await stopWorker();
  });

  it('stands a copy in another place in for the tier that is gone, with the public key from a file', async () => {
    const [copy, target] = [join(directory, 'offline/copy'), join(directory, 'elsewhere')];
    await mkdir(target);
    const known = join(directory, 'offline/witness.pub');
    await cp(join(home(), 'keys/witness.pub'), known);
    const { status, stdout } = await rebuild(copy, '--directory', target, '--trust', known, '--json');
    expect(status).toBe(3);
    const report = JSON.parse(stdout) as RebuildReport;
    expect(report.sealers).toEqual([{ keyId: sealer, ground: 'file' }]);
    const text = await readFile(join(target, 'holdfast.yaml'), 'utf8');
    expect(text).toContain(`path: ${copy}`);
    expect(text).not.toContain(join(directory, 'orders/'));
    expect(report.written.every((path) => path.startsWith(`${target}/`))).toBe(true);
  });

  it('faults 27, 63: refuses a forged checkpoint, a forged manifest and names that lead out of the folder', async () => {
    const copy = join(directory, randomUUID());
    await cp(join(directory, 'offline/copy'), copy, { recursive: true });
    const target = join(directory, 'never');
    const attempt = () => rebuild(copy, '--directory', target, '--trust', sealer);
    const [newest = ''] = (await readdir(join(copy, 'checkpoints'))).sort().reverse();
    const checkpoint = join(copy, 'checkpoints', newest);
    const good = await readFile(checkpoint, 'utf8');
    await writeFile(checkpoint, good.replace(/\d{8}t\d{6}z-files/, '../../../escaped-x'));
    expect(await attempt()).toMatchObject({
      status: 9,
      stderr: expect.stringContaining('escaped-x'),
    });
    await writeFile(checkpoint, good);
    const [id = ''] = await readdir(join(copy, 'backups/config'));
    const manifest = join(copy, 'backups/config', id, 'manifest.json');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('"holdfast.json"', '"../../holdfast"'));
    const forged = await attempt();
    expect(forged.status).toBe(9);
    expect(forged.stderr).toContain("'../../holdfast' cannot be the name of a file");
    await expect(stat(target)).rejects.toThrow('ENOENT');
  });
});
