import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRedis } from '../../../activities/redis/index.ts';
import type { StoredBackup } from '../../../domain/contracts/backup-content.ts';
import type { RestoreRequest } from '../../../domain/contracts/protected-system.ts';
import type { BackupRef, TakenBackup } from '../../../domain/manifest.ts';
import { passwordOf } from '../../../local/redis.ts';
import { fillRedis } from './dataset.ts';
import { type RedisPlatform, startPlatform } from './platform.ts';

let platform: RedisPlatform;
let keys: number;

beforeAll(async () => {
  platform = await startPlatform();
  keys = await fillRedis(await platform.client(), 2000);
});

const workers: ChildProcess[] = [];

afterAll(async () => {
  for (const worker of workers) worker.kill('SIGKILL');
  await platform.stop();
});

const ref = (backupId: string): BackupRef => ({ system: 'redis', backupId });

const take = (backupId: string, kind: string, configuration = platform.deps.configuration) =>
  createRedis({ ...platform.deps, configuration }).takeBackup({
    site: 'west',
    backup: ref(backupId),
    kind,
    run: backupId,
  });

const scratchRequest = (backup: TakenBackup, run: string): RestoreRequest => ({
  run,
  platform: 'shop',
  site: 'west',
  backup: ref(backup.facts.backupId),
  tier: null,
  scope: { kind: 'whole', names: {} },
  target: 'scratch',
  expectedIdentity: null,
  options: {},
});

async function startParked(work: string, needs: object): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./parked-worker.ts', import.meta.url));
  const { writer: _writer, reader: _reader, ...deps } = platform.deps;
  const all = { deps, backupsDirectory: join(platform.directory, 'backups'), ...needs };
  const worker = spawn(process.execPath, [script, work, JSON.stringify(all)], { stdio: ['ignore', 'pipe', 'inherit'] });
  workers.push(worker);
  await once(worker.stdout, 'data');
  return worker;
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

async function childrenNamed(pid: number, name: string): Promise<number[]> {
  const named = async () => {
    const found: number[] = [];
    for (const child of await childrenOf(pid))
      if ((await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '')).startsWith(name)) found.push(child);
    return found;
  };
  await expect.poll(named, { timeout: 5000 }).toHaveLength(1);
  return await named();
}

const isGone = async (pid: number) => (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ' Z ')).includes(' Z ');

async function kill(worker: ChildProcess, children: readonly number[]): Promise<void> {
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  for (const pid of children) await expect.poll(() => isGone(pid), { timeout: 5000 }).toBe(true);
}

async function requireNoSecret(pids: readonly number[]): Promise<void> {
  const password = await passwordOf(platform.server);
  for (const pid of pids)
    for (const file of ['cmdline', 'environ'])
      expect(await readFile(`/proc/${pid}/${file}`, 'latin1')).not.toContain(password);
}

it('a worker killed while it takes a snapshot leaves no process, shows no password, and the next attempt succeeds', async () => {
  const backup = ref('20261123t070001z-rdb-aaaaaa');
  const worker = await startParked('take', { backup });
  const children = await childrenNamed(worker.pid as number, 'redis-check-rdb');
  await requireNoSecret([worker.pid as number, ...children]);
  await kill(worker, children);
  const { facts } = await createRedis(platform.deps).takeBackup({ site: 'west', backup, kind: 'rdb', run: 'killed' });
  expect(facts.counts.keys).toBe(keys);
  expect(await readdir(join(platform.directory, 'work'))).not.toContain('killed');
  expect(await readdir(join(platform.directory, 'backups', 'redis', backup.backupId))).toContain('taken.json');
});

it('a worker killed while it copies append-only files leaves a setting changed, which is told and put back', async () => {
  const redis = await platform.client();
  await redis.call('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '93');
  const setting = async () => ((await redis.call('CONFIG', 'GET', 'auto-aof-rewrite-percentage')) as string[])[1];
  const backup = ref('20261123t070002z-aof-bbbbbb');
  const worker = await startParked('take', { backup });
  expect(await setting()).toBe('0');
  await kill(worker, await childrenOf(worker.pid as number));
  expect(await setting()).toBe('0');
  const { findings } = await createRedis(platform.deps).inspect({ site: 'west', kinds: ['aof'] });
  expect(findings.map(({ mend }) => mend)).toContain('CONFIG SET auto-aof-rewrite-percentage 93');
  await createRedis(platform.deps).takeBackup({ site: 'west', backup, kind: 'aof', run: 'killed' });
  expect(await setting()).toBe('93');
  expect(await readdir(join(platform.directory, 'work'))).toEqual([]);
});

it('a worker killed with a loaded scratch server takes it along, and the next attempt loads its own', async () => {
  const backup = await platform.take('rdb');
  const request = scratchRequest(backup, 'killed-restore');
  const worker = await startParked('load', { request });
  const children = await childrenNamed(worker.pid as number, 'redis-server');
  await requireNoSecret(children);
  const status = await readFile(`/proc/${children[0]}/status`, 'utf8');
  if (process.getuid?.() === 0) expect(status).not.toMatch(/^Uid:\t0/m);
  await kill(worker, children);
  const plan = await createRedis(platform.deps).planRestore(request);
  const read = await createRedis(platform.deps).runRestoreStep({ plan, stepId: 'read', input: {} });
  expect(read.facts.keys).toBe(keys);
  await createRedis(platform.deps).finishRestore({ plan, outcome: 'succeeded' });
  expect(await readdir(join(platform.directory, 'work'))).toEqual([]);
});

function altered(stored: StoredBackup, change: (bytes: Buffer) => Buffer, source = {}): StoredBackup {
  const read = async function* (name: string) {
    const pieces: Uint8Array[] = [];
    for await (const piece of stored.read(name)) pieces.push(piece);
    yield /^dump|^aof/.test(name) ? change(Buffer.concat(pieces)) : Buffer.concat(pieces);
  };
  const save = async (name: string, path: string) => {
    const { writeFile } = await import('node:fs/promises');
    for await (const bytes of read(name)) await writeFile(path, bytes, { mode: 0o600 });
  };
  return { manifest: { ...stored.manifest, source: { ...stored.manifest.source, ...source } }, read, save };
}

const CUTS = {
  'a truncated snapshot': ['rdb', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
  'a snapshot with one flipped bit': [
    'rdb',
    (bytes: Buffer) => {
      const copy = Buffer.from(bytes);
      copy[copy.length >> 1] = (copy[copy.length >> 1] as number) ^ 1;
      return copy;
    },
  ],
  'an append-only file whose tail is cut': ['aof', (bytes: Buffer) => bytes.subarray(0, bytes.length - 5)],
} as const;

for (const [what, [kind, cut]] of Object.entries(CUTS)) {
  it(`faults 41: ${what} is refused by the check and never served by a scratch server`, async () => {
    const backup = await platform.take(kind);
    const reader = {
      ...platform.deps.reader,
      open: async (one: BackupRef) => altered(await platform.deps.reader.open(one), cut),
    };
    const system = createRedis({ ...platform.deps, reader });
    const input = { site: 'west', backup: ref(backup.facts.backupId), tier: null, run: 'check' };
    await expect(system.checkBackup(input)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    const plan = await system.planRestore(scratchRequest(backup, 'damaged'));
    await expect(system.runRestoreStep({ plan, stepId: 'load', input: {} })).rejects.toMatchObject({
      code: 'ARTIFACT_DAMAGED',
    });
    await system.finishRestore({ plan, outcome: 'undone' });
    expect(await readdir(join(platform.directory, 'work'))).toEqual([]);
  });
}

it('faults 41: a backup of a newer Redis than the tools here is refused before anything is read', async () => {
  const backup = await platform.take('rdb');
  const reader = {
    ...platform.deps.reader,
    open: async (one: BackupRef) =>
      altered(await platform.deps.reader.open(one), (bytes) => bytes, { version: '99.1.0' }),
  };
  const system = createRedis({ ...platform.deps, reader });
  const refused = { code: 'VERSION_UNFIT' };
  await expect(system.planRestore(scratchRequest(backup, 'newer'))).rejects.toMatchObject(refused);
  const input = { site: 'west', backup: ref(backup.facts.backupId), tier: null, run: 'check' };
  await expect(system.checkBackup(input)).rejects.toMatchObject(refused);
});

it('a wrong password, a closed port, a missing tool and a missing right each end with their own code and leave nothing', async () => {
  const { configuration } = platform.deps;
  const redis = await platform.client();
  await redis.call('ACL', 'SETUSER', 'narrow', 'on', 'nopass', '~*', '+@all', '-psync');
  const { password: _password, ...open } = configuration;
  const wrong = { HOLDFAST_TEST_WRONG: 'not-it' };
  Object.assign(process.env, wrong);
  const cases = {
    ACCESS_DENIED: { ...configuration, password: '${env:HOLDFAST_TEST_WRONG}' },
    STORE_UNREACHABLE: { ...configuration, port: 1 },
    TOOL_MISSING: { ...configuration, binDirectory: '/nonexistent' },
  };
  for (const [code, changed] of Object.entries(cases))
    await expect(take(`refused-${code.toLowerCase()}`, 'rdb', changed)).rejects.toMatchObject({ code });
  const narrow = { ...open, user: 'narrow', password: '${env:HOLDFAST_TEST_WRONG}' };
  await expect(take('refused-narrow', 'rdb', narrow)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  const { findings } = await createRedis({ ...platform.deps, configuration: narrow }).inspect({
    site: 'west',
    kinds: ['rdb'],
  });
  expect(findings.find(({ level }) => level === 'failed')).toMatchObject({
    code: 'ACCESS_DENIED',
    message: 'lacks +psync',
  });
  expect(await readdir(join(platform.directory, 'work'))).toEqual([]);
});

it('a connection that is cut in the middle of the snapshot ends as unreachable, and no backup counts', async () => {
  const { port } = platform.server;
  const cutting = await startCuttingProxy(port, 20_000);
  const configuration = { ...platform.deps.configuration, port: cutting.port };
  await expect(take('cut-in-the-middle', 'rdb', configuration)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  cutting.server.close();
  const left = await readdir(join(platform.directory, 'backups', 'redis', 'cut-in-the-middle')).catch(() => []);
  expect(left).toEqual([]);
});

async function startCuttingProxy(port: number, bytes: number): Promise<{ server: Server; port: number }> {
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    let passed = 0;
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy());
    far.on('close', () => near.destroy());
    far.on('data', (piece) => {
      passed += piece.length;
      near.write(piece);
      if (passed > bytes) near.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

it('keys are not written into a server that was restarted after the plan was made', async () => {
  const backup = await platform.take('rdb');
  const system = createRedis(platform.deps);
  const plan = await system.planRestore({
    ...scratchRequest(backup, 'restarted'),
    target: 'live',
    options: { method: 'keys' },
  });
  const { service } = platform.deps.configuration;
  for (const argv of [service?.stop, service?.start]) {
    const [command, ...args] = argv ?? [];
    await once(spawn(command as string, args), 'exit');
  }
  await expect(system.runRestoreStep({ plan, stepId: 'write', input: {} })).rejects.toMatchObject({
    code: 'PLAN_CHANGED',
  });
  await system.finishRestore({ plan, outcome: 'undone' });
});
