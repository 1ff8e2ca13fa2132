import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRedis } from '../../../activities/redis/index.ts';
import type { RedisDependencies } from '../../../activities/redis/run-folder.ts';
import type { OpenBackup } from '../../../domain/contracts/backup-content.ts';
import { makeCertificates } from '../../../local/certificates.ts';
import { passwordOf, startRedis } from '../../../local/redis.ts';
import { freePort } from '../../../local/servers.ts';
import { dependenciesOf, type RedisPlatform, startPlatform } from './platform.ts';

const LARGE = 40 * 1024 * 1024;
let platform: RedisPlatform;
let redis: Redis;
let keys: number;
let taken = 0;

beforeAll(async () => {
  platform = await startPlatform({ appendonly: 'no', save: '', 'client-output-buffer-limit': 'replica 2mb 2mb 1' });
  redis = await platform.client();
  // More than the sockets between can hold, so that a sync is under way while nobody reads.
  for (let index = 0; index < 4; index += 1) await redis.set(`large:${index}`, randomBytes(LARGE / 4));
  for (let index = 0; index < 20; index += 1) await redis.set(`key:${index}`, index);
  keys = await redis.dbsize();
});
afterAll(() => platform?.stop());

const take = (deps: RedisDependencies) => {
  taken += 1;
  const backup = { system: 'redis', backupId: `20261124t0000${10 + taken}z-rdb-abcdef` } as const;
  return createRedis(deps).takeBackup({ site: 'west', backup, kind: 'rdb', run: `odd-${taken}` });
};

/** A writer that takes the first piece of the snapshot and then no more until `open` is called. */
function gatedWriter() {
  const waiting = new EventTarget();
  let isOpen = false;
  const writer: RedisDependencies['writer'] = {
    async begin(ref) {
      const backup = (await platform.backups.writer.begin(ref)) as OpenBackup;
      const addArtifact: OpenBackup['addArtifact'] = (spec, source) =>
        backup.addArtifact(
          spec,
          (async function* () {
            for await (const piece of source) {
              yield piece;
              if (isOpen) continue;
              waiting.dispatchEvent(new Event('begun'));
              await once(waiting, 'open');
            }
          })(),
        );
      return { ...backup, addArtifact };
    },
  };
  return {
    deps: { ...platform.deps, writer },
    begun: once(waiting, 'begun'),
    open: () => {
      isOpen = true;
      waiting.dispatchEvent(new Event('open'));
    },
  };
}

const hasReplica = async () => String(await redis.call('CLIENT', 'LIST', 'TYPE', 'replica')) !== '';

it('a sync that is killed on the server in the middle ends as unreachable, and the next one succeeds', async () => {
  const gate = gatedWriter();
  const outcome = take(gate.deps).catch((error: unknown) => error);
  await gate.begun;
  expect(await redis.call('CLIENT', 'KILL', 'TYPE', 'replica')).toBe(1);
  gate.open();
  expect(await outcome).toMatchObject({ code: 'STORE_UNREACHABLE' });
  expect((await take(platform.deps)).facts.counts.keys).toBe(keys);
});

it('a sync whose reader stands still ends as unreachable and says where to look', async () => {
  await redis.config('SET', 'repl-timeout', '1');
  const gate = gatedWriter();
  const outcome = take(gate.deps).catch((error: unknown) => error);
  await gate.begun;
  // Nothing is kept for a replica that wants the snapshot only: no limit of a buffer ends it, but its silence does.
  await redis.set('written meanwhile', randomBytes(8 * 1024 * 1024));
  await expect.poll(hasReplica, { timeout: 60_000 }).toBe(false);
  await redis.del('written meanwhile');
  await redis.config('SET', 'repl-timeout', '60');
  gate.open();
  expect(await outcome).toMatchObject({
    code: 'STORE_UNREACHABLE',
    details: { mend: expect.stringContaining('repl-timeout') },
  });
});

it('a snapshot waits for a background save that runs, and is whole', async () => {
  // A child of an earlier sync may still be there: the server has one at a time.
  await redis.config('SET', 'rdb-key-save-delay', '50000');
  await expect.poll(() => redis.call('BGSAVE').catch(String), { timeout: 60_000 }).toContain('started');
  await redis.config('SET', 'rdb-key-save-delay', '0');
  const { facts } = await take(platform.deps);
  expect(facts.counts.keys).toBe(keys);
  expect(await redis.info('persistence')).toContain('rdb_last_bgsave_status:ok');
});

it('a replica is a source while its link is up, and refused as unreachable while it is down', async () => {
  const directory = join(platform.directory, 'replica');
  await mkdir(directory, { mode: 0o755 });
  const password = await passwordOf(platform.server);
  const replica = await startRedis({
    directory,
    settings: {
      appendonly: 'no',
      save: '',
      replicaof: `127.0.0.1 ${platform.server.port}`,
      masteruser: 'holdfast',
      masterauth: password,
    },
  });
  const deps = { ...platform.deps, configuration: replica.configuration };
  const findings = async () => (await createRedis(deps).inspect({ site: 'west', kinds: ['rdb'] })).findings;
  const isLinked = async () => (await findings()).every(({ subject }) => subject !== 'replica');
  try {
    await expect.poll(isLinked, { timeout: 60_000 }).toBe(true);
    const { facts } = await take(deps);
    expect(facts.counts.keys).toBe(keys);
    expect(facts.source).toMatchObject({ role: 'slave' });
    await redis.call('ACL', 'SETUSER', 'holdfast', '-psync');
    await redis.call('CLIENT', 'KILL', 'TYPE', 'replica');
    await expect.poll(isLinked, { timeout: 60_000 }).toBe(false);
    await expect(take(deps)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  } finally {
    await redis.call('ACL', 'SETUSER', 'holdfast', '+psync');
    await replica.stop();
  }
});

it('a server that renamed its commands is refused with the command that is missing', async () => {
  const directory = join(platform.directory, 'renamed');
  await mkdir(directory, { mode: 0o755 });
  const renamed = await startRedis({ directory, settings: { appendonly: 'no', 'rename-command': 'PSYNC ""' } });
  const deps = dependenciesOf(platform.directory, renamed, platform.backups);
  const { findings } = await createRedis(deps).inspect({ site: 'west', kinds: ['rdb'] });
  expect(findings.filter(({ level }) => level === 'failed')).toMatchObject([{ code: 'ACCESS_DENIED' }]);
  await expect(take(deps)).rejects.toMatchObject({
    code: 'ACCESS_DENIED',
    details: { need: expect.stringContaining('PSYNC') },
  });
  await renamed.stop();
});

it('a server that speaks TLS and asks for a certificate is backed up with one, and refuses without', async () => {
  const directory = join(platform.directory, 'tls');
  await mkdir(directory, { mode: 0o755 });
  const [made] = await makeCertificates(join(directory, 'certificates'), ['redis']);
  if (made === undefined) throw new Error('no certificate was made');
  const port = await freePort();
  await mkdir(join(directory, 'store'), { mode: 0o755 });
  const settings = {
    appendonly: 'no',
    'tls-port': String(port),
    'tls-cert-file': made.certificate,
    'tls-key-file': made.key,
    'tls-ca-cert-file': made.chain,
  };
  const { uid, gid } = await stat(platform.server.dataDirectory);
  await chmod(join(directory, 'certificates'), 0o755);
  for (const path of [made.certificate, made.key, made.chain]) await chown(path, uid, gid);
  const server = await startRedis({ directory: join(directory, 'store'), settings });
  const deps = dependenciesOf(platform.directory, server, platform.backups);
  const encrypted = { ...deps.configuration, host: 'localhost', port, tls: true, tlsRootFile: made.chain };
  const shown = { ...encrypted, tlsCertificateFile: made.certificate, tlsKeyFile: made.key };
  try {
    expect((await take({ ...deps, configuration: shown })).facts.counts.keys).toBe(0);
    await expect(take({ ...deps, configuration: encrypted })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    const { tlsRootFile: _root, ...untrusting } = shown;
    await expect(take({ ...deps, configuration: untrusting })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  } finally {
    await server.stop();
  }
});
