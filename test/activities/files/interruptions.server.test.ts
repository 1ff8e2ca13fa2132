import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { placesBelow } from '../../../activities/files/below-folder.ts';
import type { FileCollection } from '../../../activities/files/collection.ts';
import { createFileStore } from '../../../activities/files/file-store.ts';
import { bytesOfName, textOfName } from '../../../activities/files/names.ts';
import { withScope } from '../../../activities/shared/activity-context.ts';
import type { BackupWriter } from '../../../domain/contracts/backup-content.ts';
import { backUp, carryOut, failureOf, ownFolder, restoreRequest, textsBelow } from '../../support/file-systems.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

async function aSite(files: Record<string, string | Buffer> = { a: 'one', b: 'two', 'd/c': 'three' }) {
  const folder = await ownFolder();
  const root = join(folder, 'etc');
  const workDirectory = join(folder, 'work');
  await mkdir(join(root, 'd'), { recursive: true });
  for (const [path, text] of Object.entries(files)) await writeFile(join(root, path), text);
  const backups = createPlainBackups(join(folder, 'backups'));
  const configuration = { root, patterns: ['**'], exclude: [] };
  const deps = { platform: 'shop', site: 'west', configuration, workDirectory, scratchUser: undefined, ...backups };
  return { folder, root, workDirectory, backups, deps, config: createConfig(deps) };
}

type Site = Awaited<ReturnType<typeof aSite>>;
const take = { site: 'west', backup: { system: 'config', backupId: 'b1' }, kind: 'files', run: 'run-1' } as const;
const check = { site: 'west', backup: take.backup, tier: null, run: 'check-1' };

/** The site's files as a collection whose places pass through `guard` first. */
function guarded({ root, deps }: Site, paths: string[], guard: (path: string, makeFolders: boolean) => void) {
  const places = placesBelow(root);
  const collection: FileCollection = {
    system: 'config',
    identity: `shop:config:${root}`,
    root,
    source: {},
    list: async () => ({ paths, leftOut: [] }),
    locationOf: async (path) => join(root, path),
    pathOf: (name) => name,
    withPlace: async (path, makeFolders, work) => {
      guard(path, makeFolders);
      return places(path, makeFolders, work);
    },
  };
  return createFileStore(deps, { collection });
}

describe('names', () => {
  it('come back byte for byte, whatever the bytes', () => {
    const evil = fc.constantFrom(0xff, 0xc0, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0xe2, 0x61);
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.array(evil, { maxLength: 12 }));
    fc.assert(
      fc.property(bytes, (raw) => {
        expect(bytesOfName(textOfName(Buffer.from(raw)))).toEqual(Buffer.from(raw));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a file that is written to while it is read', () => {
  it('is whole in the backup or is told to be missing from it, never torn', async () => {
    const { root, config, backups } = await aSite();
    const versions = ['A', 'B', 'C'].map((letter) => letter.repeat(3_000_000));
    let isOver = false;
    const writer = (async () => {
      for (let turn = 0; !isOver; turn++) await writeFile(join(root, 'busy'), versions[turn % 3] ?? '');
    })();
    for (let number = 0; number < 4; number++) {
      const backupId = `b${number}`;
      const { facts } = await backUp(config, backups, 'config', backupId);
      const request = restoreRequest('config', {
        target: 'scratch',
        backup: { system: 'config', backupId },
        run: backupId,
      });
      const plan = await config.planRestore(request);
      await carryOut(config, plan);
      const copy = join(root, '..', 'work', backupId, 'config', 'restored', 'busy');
      const text = await readFile(copy, 'utf8').catch(() => null);
      if (text === null) expect(facts.warnings.join()).toMatch(/"busy" (changed each of five times|vanished)/);
      else expect(['', ...versions]).toContain(text);
      await config.finishRestore({ plan, outcome: 'succeeded' });
    }
    isOver = true;
    await writer;
  });

  it('is left out and told when it vanished after it was listed', async () => {
    const site = await aSite();
    const store = guarded(site, ['a', 'gone'], () => undefined);
    const { facts } = await store.takeBackup(take);
    expect(facts.counts).toMatchObject({ files: 1, leftOut: 1 });
    expect(facts.warnings).toEqual(['file "gone" vanished while the backup was taken; it is not backed up']);
  });
});

describe('a large file', () => {
  it('passes through without being held in memory and comes back equal', async () => {
    const large = randomBytes(12_000_001);
    const { root, config, backups, workDirectory } = await aSite({ a: '', large });
    await backUp(config, backups, 'config', 'b1');
    expect(await textsBelow(workDirectory)).toEqual({});
    await rm(join(root, 'large'));
    await carryOut(config, await config.planRestore(restoreRequest('config')));
    expect((await readFile(join(root, 'large'))).equals(large)).toBe(true);
  });
});

describe('a backup that fails', () => {
  const failing = (reads: number): BackupWriter => ({
    begin: async () => ({
      addArtifact: async (_spec, source) => {
        let left = reads;
        for await (const _ of source) if (left-- <= 0) break;
        throw Object.assign(new Error('no space'), { code: 'ENOSPC', path: '/spool' });
      },
      finish: () => Promise.reject(new Error('it was finished')),
      abandon: async () => void abandoned++,
    }),
  });
  let abandoned = 0;

  it.each([0, 1, 1000])('after %i pieces ends with the cause and leaves nothing behind', async (reads) => {
    const { deps, workDirectory } = await aSite({ a: 'x'.repeat(300_000), large: randomBytes(6_000_000) });
    abandoned = 0;
    const config = createConfig({ ...deps, writer: failing(reads) });
    await expect(config.takeBackup(take)).rejects.toThrow('no space');
    expect(abandoned).toBe(1);
    expect(await textsBelow(workDirectory)).toEqual({});
  });

  it('because it was cancelled ends with that and leaves nothing behind', async () => {
    const { deps, config, folder, workDirectory } = await aSite({ a: 'x', large: randomBytes(20_000_000) });
    const cancel = new AbortController();
    const work = withScope({ signal: cancel.signal, progress: null }, () => config.takeBackup(take));
    setImmediate(() => cancel.abort(new Error('cancelled by the test')));
    await expect(work).rejects.toThrow('cancelled by the test');
    expect(await textsBelow(workDirectory)).toEqual({});
    expect(await textsBelow(join(folder, 'backups'))).toEqual({});
    expect((await createConfig(deps).takeBackup(take)).facts.counts.files).toBe(2);
  });
});

describe('a live restore that is interrupted', () => {
  const PATHS = ['a', 'b', 'd', 'd/c'];

  // Every place that is opened for writing counts; the attempt dies before number `dieAt`.
  async function anInterruptedRestore(dieAt: number) {
    const site = await aSite();
    await backUp(site.config, site.backups, 'config', 'b1');
    for (const path of ['a', 'b']) await writeFile(join(site.root, path), `live ${path}`);
    await rm(join(site.root, 'd'), { recursive: true });
    const live = await textsBelow(site.root);
    const plan = await site.config.planRestore(restoreRequest('config'));
    let writes = 0;
    const dying = guarded(site, PATHS, (_, makeFolders) => {
      if (makeFolders && ++writes > dieAt) throw new Error('killed');
    });
    await expect(carryOut(dying, plan)).rejects.toThrow('killed');
    return { ...site, live, plan };
  }

  it.each([0, 1, 2, 3])('before write %i is finished by the next attempt', async (dieAt) => {
    const { root, config, plan } = await anInterruptedRestore(dieAt);
    await carryOut(config, plan);
    expect(await textsBelow(root)).toEqual({ a: 'one', b: 'two', 'd/c': 'three' });
  });

  it.each([0, 1, 2, 3])('before write %i is undone to what was there', async (dieAt) => {
    const { root, config, plan, live } = await anInterruptedRestore(dieAt);
    await config.undoRestoreStep({ plan, stepId: 'write', input: {} });
    expect(await textsBelow(root)).toEqual(live);
  });

  it('refuses to overwrite what someone wrote between two attempts', async () => {
    const { root, config, plan } = await anInterruptedRestore(1);
    await writeFile(join(root, 'b'), 'written by someone');
    expect(await failureOf(carryOut(config, plan))).toBe('PLAN_CHANGED');
    expect(await readFile(join(root, 'b'), 'utf8')).toBe('written by someone');
  });
});

describe('faults 22: one flipped bit', () => {
  it('in the archive or the inventory is found before anything is written', async () => {
    for (const name of ['files.tar', 'inventory.jsonl']) {
      const { folder, root, config, backups } = await aSite();
      await backUp(config, backups, 'config', 'b1');
      const path = join(folder, 'backups', 'config', 'b1', 'sealed', name);
      const bytes = await readFile(path);
      bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
      await writeFile(path, bytes);
      await writeFile(join(root, 'a'), 'live');
      expect(await failureOf(config.checkBackup(check))).toBe('ARTIFACT_DAMAGED');
      const restore = async () => carryOut(config, await config.planRestore(restoreRequest('config')));
      expect(await failureOf(restore())).toBe('ARTIFACT_DAMAGED');
      expect(await readFile(join(root, 'a'), 'utf8')).toBe('live');
    }
  });
});

describe('a worker that is not root', () => {
  const NOBODY = 65_534;
  const isRoot = process.getuid?.() === 0;

  async function asNobody<T>(work: () => Promise<T>): Promise<T> {
    if (!isRoot) return work();
    process.seteuid?.(NOBODY);
    return work().finally(() => process.seteuid?.(0));
  }

  async function giveAway({ folder, root }: Site) {
    if (!isRoot) return;
    for (const path of [folder, root, join(root, 'a'), join(root, 'b'), join(root, 'd'), join(root, 'd', 'c')]) {
      await chown(path, NOBODY, NOBODY);
    }
  }

  it('names a file that it may not read, in an inspection and as the failure of a backup', async () => {
    const site = await aSite();
    await giveAway(site);
    await chmod(join(site.root, 'b'), 0o000);
    if (isRoot) await chown(join(site.root, 'b'), 0, 0);
    const { findings } = await asNobody(() => site.config.inspect({ site: 'west', kinds: [] }));
    expect(findings).toEqual([
      { level: 'failed', subject: 'file "b"', message: '"b" cannot be read', code: 'ACCESS_DENIED' },
    ]);
    expect(await asNobody(() => failureOf(site.config.takeBackup(take)))).toBe('ACCESS_DENIED');
  });

  it('restores content and modes, leaves owners, and says so', async () => {
    const site = await aSite();
    await backUp(site.config, site.backups, 'config', 'b1'); // Its files belong to another user when this is root.
    await giveAway(site);
    await rm(join(site.folder, 'work'), { recursive: true, force: true });
    await chmod(join(site.folder, 'backups'), 0o755);
    for (const name of ['config', 'config/b1', 'config/b1/sealed'])
      await chmod(join(site.folder, 'backups', name), 0o755);
    for (const name of ['manifest.json', 'files.tar', 'inventory.jsonl']) {
      await chmod(join(site.folder, 'backups', 'config', 'b1', 'sealed', name), 0o644);
    }
    await writeFile(join(site.root, 'a'), 'live');
    const results = await asNobody(async () =>
      carryOut(site.config, await site.config.planRestore(restoreRequest('config'))),
    );
    expect(results[2]?.findings[0]).toMatchObject({ level: 'warning', message: expect.stringContaining('owners') });
    expect(await readFile(join(site.root, 'a'), 'utf8')).toBe('one');
    const again = await asNobody(async () =>
      carryOut(site.config, await site.config.planRestore(restoreRequest('config', { run: 'restore-2' }))),
    );
    expect(again[1]?.facts).toEqual({ paths: 0, replaced: 0 });
  });
});

describe('faults 68: whatever the umask', () => {
  it('what is kept and staged is private', async () => {
    const umask = process.umask(0);
    try {
      const { root, workDirectory, config, backups } = await aSite();
      await backUp(config, backups, 'config', 'b1');
      await writeFile(join(root, 'a'), 'live');
      await carryOut(config, await config.planRestore(restoreRequest('config')));
      const folders = ['restore-1', 'restore-1/config', 'kept', 'kept/restore-1', 'kept/restore-1/config'];
      for (const name of folders) expect((await stat(join(workDirectory, name))).mode & 0o777).toBe(0o700);
      const staged = join(workDirectory, 'restore-1', 'config', 'staged');
      for (const name of Object.keys(await textsBelow(staged))) {
        expect((await stat(join(staged, name))).mode & 0o777).toBe(0o600);
      }
    } finally {
      process.umask(umask);
    }
  });
});
