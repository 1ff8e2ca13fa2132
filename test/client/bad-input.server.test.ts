// Bad input from end to end: the real command against a real platform in which something is wrong. Each ends in three
// lines with its code and its exit status, at once and by itself, and nothing is lost or half done.
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { makePassage } from '../../local/folders.ts';
import { startPostgres } from '../../local/postgres.ts';
import { startRabbitmq } from '../../local/rabbitmq.ts';
import { startRedis } from '../../local/redis.ts';
import { startDr } from './dr.ts';
import {
  acceptStored,
  backUpAgain,
  below,
  command,
  expectStoredUntouched,
  expectTold,
  expectUntouched,
  harness,
  run,
  serviceOf,
  siteOf,
  startWrongPlatform,
  withConfiguration,
} from './wrong-platform.ts';

vi.setConfig({ testTimeout: 400_000 });
beforeAll(startWrongPlatform, 400_000);
afterAll(() => harness.close());

describe('a configuration with errors', () => {
  it('is refused with all of them at once, by line and column, and nothing is started', async () => {
    const file = harness.platform.configurationFile;
    const good = await readFile(file, 'utf8');
    onTestFinished(() => writeFile(file, good));
    const runsBefore = JSON.parse((await run('runs', 'list')).stdout);
    await writeFile(file, good.replace('spool:', 'spol:').replace('database: postgres', 'database: [1]'));
    const message = await expectTold(run('backup', '--all'), 'CONFIG_INVALID', /has \d errors/);
    const at = (name: string) => {
      const lines = message.split('\n').filter((line) => line.includes(name));
      expect(lines).toMatchObject([expect.stringMatching(/holdfast\.yaml:\d+:\d+: error: /)]);
    };
    at("'spol' is not a setting here: did you mean 'spool'?");
    at('postgres.database');
    await writeFile(file, good);
    expect(JSON.parse((await run('runs', 'list')).stdout)).toEqual(runsBefore);
    await expectUntouched();
  });
});

describe('keys', () => {
  const keyFile = () => below('keys/odd.key');
  const holdOdd: Parameters<typeof withConfiguration>[0] = ({ repository }) => {
    repository.keys.private = [{ name: 'restore', key: `\${file:${keyFile()}}` }];
  };
  const makeOdd = async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 4096 });
    await writeFile(keyFile(), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  };

  it('of somebody else stop no backup, which says so loudly, and open nothing', async () => {
    await withConfiguration(holdOdd, makeOdd);
    const { status, stdout } = await run('backup', 'config');
    expect(JSON.parse(stdout).findings).toContainEqual(
      expect.objectContaining({ level: 'warning', subject: 'repository.keys', code: 'WRONG_KEY' }),
    );
    expect(status).toBe(3);
    await acceptStored();
    await expectTold(run('verify', 'config'), 'WRONG_KEY', /config/);
    await expectTold(run('restore', 'redis', '--test'), 'WRONG_KEY', /not encrypted for a key of this worker/);
    await expectTold(run('restore', 'redis', '--confirm', 'demo'), 'WRONG_KEY', /not encrypted for a key/);
    await expectUntouched();
  });

  it('that are not there at all keep a restore from beginning, and no backup', async () => {
    await withConfiguration(({ repository }) => {
      repository.keys.private = [];
    });
    await expectTold(run('restore', 'postgres', '--test'), 'KEY_MISSING', /no private key here/);
    await expectTold(run('restore', 'config', '--confirm', 'demo'), 'KEY_MISSING', /no private key here/);
    expect((await run('backup', 'config')).status).toBe(0);
    await acceptStored();
    await expectUntouched();
  });

  it('faults 68: that everybody can read are refused', async () => {
    await withConfiguration(holdOdd, async () => {
      await makeOdd();
      await chmod(keyFile(), 0o644);
    });
    await expectTold(run('backup', '--all'), 'FILE_TOO_OPEN', /can be read by others/);
    await expectUntouched();
  });
});

describe('tools', () => {
  const withTools = (folder: string) =>
    withConfiguration((configuration) => {
      const { postgres, redis, rabbitmq } = siteOf(configuration);
      for (const store of [postgres, redis, rabbitmq]) if (store) store.binDirectory = folder;
    });

  it('that are missing are named with what installs them', async () => {
    await mkdir(below('no-tools'), { recursive: true });
    await withTools(below('no-tools'));
    await expectTold(run('backup', 'postgres'), 'TOOL_MISSING', /pg_\w+' is not on this machine/);
    await expectTold(run('backup', 'redis'), 'TOOL_MISSING', /redis-\w+' is not on this machine/);
    await expectTold(run('backup', 'rabbitmq'), 'TOOL_MISSING', /rabbitmq-server: is not on this machine/);
    await expectUntouched();
  });

  it('of another version than the store needs are refused before anything is read', async () => {
    await mkdir(below('old-tools'), { recursive: true });
    const old = { pg_dump: '(PostgreSQL) 9.6.24', 'redis-server': 'v=4.0.14 bits=64' };
    for (const name of ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql', 'pg_basebackup', 'redis-server']) {
      const words = name === 'redis-server' ? old[name] : `${name} ${old.pg_dump}`;
      await writeFile(below(`old-tools/${name}`), `#!/bin/sh\necho '${words}'\n`, { mode: 0o755 });
    }
    await withTools(below('old-tools'));
    await expectTold(run('backup', 'postgres'), 'VERSION_UNFIT', /9\.6 is older than the server/);
    await expectTold(run('backup', 'redis'), 'VERSION_UNFIT', /4\.0/);
    await expectUntouched();
  });
});

const PARTS = {
  postgres: ['--database', 'billing', '--table', 'app.orders'],
  redis: ['--pattern', 'session:*'],
  rabbitmq: ['--vhost', 'agents', '--queue', 'tasks'],
} as const;

describe('a store that cannot be reached', () => {
  it.each(['postgres', 'redis', 'rabbitmq'] as const)(
    'is told (%s), and backed up again once it is back',
    async (system) => {
      const { stop, start } = serviceOf(system);
      await command(stop);
      try {
        await expectTold(run('backup', system), 'STORE_UNREACHABLE', /./);
        const part = ['restore', system, ...PARTS[system], '--confirm', 'demo'];
        await expectTold(run(...part), 'STORE_UNREACHABLE', /./);
      } finally {
        await command(start);
      }
      await expectStoredUntouched();
      await backUpAgain(system);
      await expectUntouched();
    },
  );

  it('is waited for when it comes back within the tries of a step', async () => {
    const { stop, start } = serviceOf('redis');
    await command(stop);
    const backup = startDr(['backup', 'redis', '--config', harness.platform.configurationFile]);
    const tries = async () => {
      const handle = harness.client.workflow.getHandle('backup/demo/redis/rdb');
      const { raw } = await handle.describe();
      return raw.pendingActivities?.[0]?.attempt ?? 0;
    };
    await expect.poll(() => tries().catch(() => 0), { timeout: 60_000, interval: 100 }).toBeGreaterThan(1);
    await command(start);
    const { status, stderr } = await backup.ended;
    expect(status, stderr).toBe(0);
    await acceptStored();
    await expectUntouched();
  });
});

describe('another target than the backup is of', () => {
  it('is not touched, whichever system it is', async () => {
    const folder = async (name: string) => {
      await makePassage(below(name));
      return { directory: below(name) };
    };
    await makePassage(below('other'));
    const [postgres, redis, rabbitmq] = await Promise.all([
      startPostgres(await folder('other/postgres')),
      startRedis(await folder('other/redis')),
      startRabbitmq(await folder('other/rabbitmq')),
    ]);
    onTestFinished(async () => void (await Promise.all([postgres, redis, rabbitmq].map((store) => store.stop()))));
    await folder('other/config');
    await withConfiguration((configuration) => {
      const site = siteOf(configuration);
      Object.assign(site, {
        postgres: postgres.configuration,
        redis: redis.configuration,
        rabbitmq: rabbitmq.configuration,
        config: { ...site.config, root: below('other/config') },
      });
    });
    for (const [system, ...part] of [
      ['postgres', '--kind', 'logical'],
      ['postgres', ...PARTS.postgres],
      ['redis'],
      ['redis', ...PARTS.redis],
      ['rabbitmq'],
      ['rabbitmq', ...PARTS.rabbitmq],
      ['config'],
    ])
      await expectTold(run('restore', String(system), ...part, '--confirm', 'demo'), 'TARGET_MISMATCH', /./);
    expect(await readdir(below('other/config'))).toEqual([]);
    await expectUntouched();
  });
});
