import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Header, pack as tarPack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { type FileEntry, formatEntry } from '../../../domain/files/entry.ts';
import { carryOut, failureOf, ownFolder, restoreRequest, textsBelow } from '../../support/file-systems.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const OWNER = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, user: null, group: null };

interface Forged {
  readonly entries: readonly Partial<FileEntry>[];
  readonly members: readonly { readonly header: Partial<Header> & { name: string }; readonly body?: string }[];
  /** Replaces the whole archive. */
  readonly archive?: Buffer;
}

function entryOf(changes: Partial<FileEntry>): FileEntry {
  const sha256 = createHash('sha256').update('').digest('hex');
  const base = { path: 'a', kind: 'file', mode: 0o600, owner: OWNER, bytes: 0, sha256, target: null, modifiedNs: '0' };
  return { ...base, linkedTo: null, sparse: false, ...changes } as FileEntry;
}

const textEntry = (path: string, text: string): FileEntry =>
  entryOf({ path, bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') });

async function tarOf(members: Forged['members']): Promise<Buffer> {
  const pack = tarPack();
  for (const { header, body = '' } of members) pack.entry({ mode: 0o600, ...header }, body);
  pack.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of pack) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

async function* once(bytes: Buffer) {
  yield bytes;
}

// A backup with a good manifest and whatever content: what one would make who holds the writer's keys.
async function aForgedBackup({ entries, members, archive }: Forged) {
  const folder = await ownFolder();
  const root = join(folder, 'etc');
  await mkdir(root);
  await writeFile(join(root, 'mine'), 'untouched');
  const backups = createPlainBackups(join(folder, 'backups'));
  const full = entries.map(entryOf);
  const open = await backups.writer.begin({ system: 'config', backupId: 'b1' });
  if ('alreadyTaken' in open) throw new Error('it was there');
  const tar = archive ?? (await tarOf(members));
  const lines = Buffer.from(full.map(formatEntry).join(''));
  const artifacts = [
    await open.addArtifact({ name: 'files.tar', role: 'archive' }, once(tar)),
    await open.addArtifact({ name: 'inventory.jsonl', role: 'inventory' }, once(lines)),
  ];
  const count = (kind: string) => full.filter((one) => one.kind === kind).length;
  const counts = { files: count('file'), directories: count('directory'), links: count('link') };
  const moment = '2026-11-23T06:00:00.000Z';
  const taken = await open.finish({
    ...{ system: 'config', backupId: 'b1', kind: 'files', site: 'west', startedAt: moment, momentAt: moment },
    ...{ finishedAt: moment, source: { identity: `shop:config:${root}` }, tools: {}, artifacts, counts, parents: [] },
    ...{ marker: null, warnings: [], report: {} },
  });
  await backups.sealTaken(taken);
  const configuration = { root, patterns: ['**'], exclude: [] };
  const workDirectory = join(folder, 'work');
  const deps = { platform: 'shop', site: 'west', configuration, workDirectory, scratchUser: undefined, ...backups };
  return { folder, root, workDirectory, config: createConfig(deps) };
}

async function expectRefused(forged: Forged, code: string) {
  const { folder, root, config } = await aForgedBackup(forged);
  const before = await textsBelow(folder);
  for (const target of ['live', 'scratch'] as const) {
    const run = `restore-${target}`;
    const restore = async () => carryOut(config, await config.planRestore(restoreRequest('config', { target, run })));
    expect(await failureOf(restore())).toBe(code);
  }
  const check = { site: 'west', backup: { system: 'config', backupId: 'b1' }, tier: null, run: 'check' } as const;
  expect(await failureOf(config.checkBackup(check))).toBe(code);
  const after = Object.entries(await textsBelow(folder)).filter(([path]) => !path.startsWith('work/'));
  expect(Object.fromEntries(after)).toEqual(before);
  expect(await readdir(root)).toEqual(['mine']);
}

describe('faults 63: a forged backup is refused before any write', () => {
  it.each([
    ['../escaped'],
    ['/tmp/holdfast-escaped'],
    ['a/../../escaped'],
    ['..\\escaped'],
    ['a\0b'],
    ['x'.repeat(4096)],
    [`${'y/'.repeat(2050)}z`],
    [''],
    ['./a'],
  ])('when it names %j', async (path) => {
    const name = path.replaceAll('\0', '') || 'a';
    await expectRefused({ entries: [{ path }], members: [{ header: { name } }] }, 'ARCHIVE_UNSAFE');
  });

  it('when it holds a link that leaves the root, or a file below a link', async () => {
    const link = { path: 'out', kind: 'link', sha256: null, target: '/etc' } as const;
    const header = { name: 'out', type: 'symlink', linkname: '/etc' } as const;
    await expectRefused({ entries: [link], members: [{ header }] }, 'ARCHIVE_UNSAFE');
    const inside = { ...link, target: 'mine' } as const;
    await expectRefused({ entries: [inside, { path: 'out/x' }], members: [] }, 'ARCHIVE_UNSAFE');
  });

  it('when a name is a hard link to a file outside, to itself, to a later one or to one of other content', async () => {
    for (const linkedTo of ['/etc/passwd', '../escaped', 'mine', 'b', 'c'])
      await expectRefused({ entries: [{ path: 'b', linkedTo }, { path: 'c' }], members: [] }, 'ARCHIVE_UNSAFE');
    const other = { path: 'b', linkedTo: 'a', bytes: 3 };
    await expectRefused({ entries: [{ path: 'a' }, other], members: [] }, 'ARCHIVE_UNSAFE');
    const members = [
      { header: { name: 'a' } },
      { header: { name: 'b', type: 'link', linkname: '/etc/passwd' } },
    ] as const;
    await expectRefused({ entries: [{ path: 'a' }, { path: 'b', linkedTo: 'a' }], members }, 'ARTIFACT_DAMAGED');
  });

  it('when the archive names what the inventory does not', async () => {
    const members = [{ header: { name: 'a' } }, { header: { name: '../escaped' } }];
    await expectRefused({ entries: [{ path: 'a' }], members }, 'ARTIFACT_DAMAGED');
  });

  it.each(['block-device', 'character-device', 'fifo', 'link', 'symlink', 'directory'] as const)(
    'when the archive holds a %s in the place of a file',
    async (type) => {
      const members = [{ header: { name: 'a', type, linkname: '/etc/passwd' } }];
      await expectRefused({ entries: [{ path: 'a' }], members }, 'ARTIFACT_DAMAGED');
    },
  );

  it('when an entry is missing, twice, or has another length, mode or content', async () => {
    const entries = [textEntry('a', 'one')];
    await expectRefused({ entries, members: [] }, 'ARTIFACT_DAMAGED');
    const twice = { header: { name: 'a' }, body: 'one' };
    await expectRefused({ entries, members: [twice, twice] }, 'ARTIFACT_DAMAGED');
    await expectRefused({ entries, members: [{ header: { name: 'a' }, body: 'longer' }] }, 'ARTIFACT_DAMAGED');
    await expectRefused({ entries, members: [{ header: { name: 'a' }, body: 'two' }] }, 'ARTIFACT_DAMAGED');
    const open = { header: { name: 'a', mode: 0o4777 }, body: 'one' };
    await expectRefused({ entries, members: [open] }, 'ARTIFACT_DAMAGED');
  });

  it('when the archive is cut, or is none', async () => {
    const entries = [textEntry('a', 'one')];
    const whole = await tarOf([{ header: { name: 'a' }, body: 'one' }]);
    await expectRefused({ entries, members: [], archive: whole.subarray(0, 514) }, 'ARTIFACT_DAMAGED');
    await expectRefused({ entries, members: [], archive: Buffer.alloc(2048, 7) }, 'ARTIFACT_DAMAGED');
    await expectRefused({ entries, members: [], archive: Buffer.alloc(0) }, 'ARTIFACT_DAMAGED');
  });
});

describe('a backup written by another tar', () => {
  it('is restored when it agrees with its inventory', async () => {
    const members = [{ header: { name: 'a' }, body: 'one' }];
    const { root, config } = await aForgedBackup({ entries: [textEntry('a', 'one')], members });
    await carryOut(config, await config.planRestore(restoreRequest('config')));
    expect(await readFile(join(root, 'a'), 'utf8')).toBe('one');
  });
});
