import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { createTls } from '../../../activities/tls/index.ts';
import type { ProtectedSystem } from '../../../domain/contracts/protected-system.ts';
import { makeCertificates } from '../../../local/certificates.ts';
import { carryOut, failureOf, ownFolder, restoreRequest, textsBelow } from '../../support/file-systems.ts';
import { makeRepository, store } from '../../support/repository.ts';

const CANARY = 'canary-7f3a9c';

async function aSite() {
  const repository = makeRepository();
  onTestFinished(() => repository.remove());
  const folder = await ownFolder();
  const root = join(folder, 'etc');
  await mkdir(root);
  await writeFile(join(root, '.env'), `PASSWORD=${CANARY}\n`, { mode: 0o600 });
  const pki = await makeCertificates(join(folder, 'pki'), ['web']);
  const common = {
    platform: 'shop',
    site: 'west',
    workDirectory: join(folder, 'work'),
    scratchUser: undefined,
    writer: repository.writerFor('west'),
    reader: repository.reader,
  };
  const config = createConfig({ ...common, configuration: { root, patterns: ['**'], exclude: [] } });
  const tls = createTls({ ...common, configuration: { certificates: pki, watchEvery: '10s', warnBefore: '30d' } });
  return { folder, root, repository, config, tls, key: String(pki[0]?.key) };
}

type Site = Awaited<ReturnType<typeof aSite>>;

async function backUpAndSeal({ repository }: Site, system: 'config' | 'tls', files: ProtectedSystem) {
  const backup = { system, backupId: 'b1' };
  const taken = await files.takeBackup({ site: 'west', backup, kind: 'files', run: 'run-1' });
  await store(repository, taken, ['local', 'remote']);
}

describe('configuration and certificates in a real repository', () => {
  it('are checked in every tier and come back, and no tier holds anything readable', async () => {
    const site = await aSite();
    for (const system of ['config', 'tls'] as const) await backUpAndSeal(site, system, site[system]);
    const before = { env: await readFile(join(site.root, '.env'), 'utf8'), key: await readFile(site.key, 'utf8') };

    for (const system of ['config', 'tls'] as const) {
      for (const tier of ['local', 'remote']) {
        const input = { site: 'west', backup: { system, backupId: 'b1' }, tier, run: 'check-1' };
        const { findings } = await site[system].checkBackup(input);
        expect(findings.every(({ level }) => level === 'ok')).toBe(true);
      }
    }
    await rm(join(site.root, '.env'));
    await rm(site.key);
    for (const system of ['config', 'tls'] as const) {
      await carryOut(site[system], await site[system].planRestore(restoreRequest(system)));
    }

    expect(await readFile(join(site.root, '.env'), 'utf8')).toBe(before.env);
    expect(await readFile(site.key, 'utf8')).toBe(before.key);
    const stored = JSON.stringify(withoutKeys(await textsBelow(site.repository.directory)));
    expect(stored).not.toContain(CANARY);
    expect(stored).not.toContain('PRIVATE KEY');
  });

  it('faults 22: one flipped bit in a tier is found, and the other tier restores', async () => {
    const site = await aSite();
    await backUpAndSeal(site, 'config', site.config);
    const folder = join(site.repository.directory, 'local', 'backups', 'config', 'b1');
    const name = (await readdir(folder)).find((one) => one.startsWith('files.tar')) ?? '';
    const bytes = await readFile(join(folder, name));
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 4, bytes.length >> 1);
    await rm(join(folder, name)); // Tiers on one disk may share the file: only this copy is damaged.
    await writeFile(join(folder, name), bytes);
    await writeFile(join(site.root, '.env'), 'live');

    const restore = async (tier: string) => {
      const request = restoreRequest('config', { tier, run: `restore-${tier}` });
      await carryOut(site.config, await site.config.planRestore(request));
    };
    expect(await failureOf(restore('local'))).toBe('ARTIFACT_DAMAGED');
    expect(await readFile(join(site.root, '.env'), 'utf8')).toBe('live');
    await restore('remote');
    expect(await readFile(join(site.root, '.env'), 'utf8')).toContain(CANARY);
  });

  it('a backup taken again after its result was lost is the same one', async () => {
    const site = await aSite();
    const input = { site: 'west', backup: { system: 'config', backupId: 'b1' }, kind: 'files', run: 'r' } as const;
    const first = await site.config.takeBackup(input);
    expect(await site.config.takeBackup(input)).toEqual(first);
  });
});

function withoutKeys(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !path.startsWith('keys/')));
}
