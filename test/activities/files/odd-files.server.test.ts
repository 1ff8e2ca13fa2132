// Files as they really are: several names of one file, holes, what is no file at all, very many of them.
import { execFileSync } from 'node:child_process';
import { link, mkdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { createHolding } from '../../../activities/files/holding.ts';
import { backUp, carryOut, ownFolder, restoreRequest, textsBelow } from '../../support/file-systems.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const isRoot = process.getuid?.() === 0;

async function aRoot(parent?: string) {
  const folder = await ownFolder(parent);
  const root = join(folder, 'etc');
  await mkdir(root);
  const backups = createPlainBackups(join(folder, 'backups'));
  const configuration = { root, patterns: ['**'], exclude: [] };
  const workDirectory = join(folder, 'work');
  const deps = { platform: 'shop', site: 'west', configuration, workDirectory, scratchUser: undefined, ...backups };
  const at = (name: string) => join(root, name);
  return { folder, root, at, backups, workDirectory, config: createConfig(deps) };
}

type Site = Awaited<ReturnType<typeof aRoot>>;

async function restore({ config }: Site, changes: Parameters<typeof restoreRequest>[1] = {}) {
  const plan = await config.planRestore(restoreRequest('config', changes));
  return { plan, results: await carryOut(config, plan) };
}

const inode = async (path: string) => (await stat(path)).ino;

describe('several names of one file', () => {
  async function aFileOfThreeNames() {
    const site = await aRoot();
    await mkdir(site.at('d'));
    await writeFile(site.at('a'), 'shared');
    await link(site.at('a'), site.at('b'));
    await link(site.at('a'), site.at('d/c'));
    await writeFile(site.at('alone'), 'shared');
    await backUp(site.config, site.backups, 'config', 'b1');
    return site;
  }

  const sharedBy = async ({ at }: Site, ...names: string[]) =>
    new Set(await Promise.all(names.map((name) => inode(at(name))))).size === 1;

  it('are stored once, come back as one file, and any tar unpacks them so', async () => {
    const site = await aFileOfThreeNames();
    const { folder, root, at, config, workDirectory } = site;
    await rm(root, { recursive: true });
    await restore(site);
    expect(await textsBelow(root)).toEqual({ a: 'shared', b: 'shared', 'd/c': 'shared', alone: 'shared' });
    expect(await sharedBy(site, 'a', 'b', 'd/c')).toBe(true);
    expect(await inode(at('alone'))).not.toBe(await inode(at('a')));
    await mkdir(join(folder, 'unpacked'));
    execFileSync('tar', ['-xf', join(folder, 'backups/config/b1/sealed/files.tar'), '-C', join(folder, 'unpacked')]);
    expect((await stat(join(folder, 'unpacked/d/c'))).nlink).toBe(3);
    const again = await restore(site, { run: 'restore-2' });
    expect(again.results[1]?.facts).toEqual({ paths: 0, replaced: 0 });
    const scratch = await restore(site, { run: 'restore-3', target: 'scratch' });
    expect((await stat(join(workDirectory, 'restore-3/config/restored/b'))).nlink).toBe(3);
    await config.finishRestore({ plan: scratch.plan, outcome: 'succeeded' });
  });

  it('are one file again when they had become several, and apart again when that is undone', async () => {
    const site = await aFileOfThreeNames();
    const { at, config } = site;
    await rm(at('b'));
    await writeFile(at('b'), 'shared');
    await writeFile(at('a'), 'written since');
    const before = await textsBelow(site.root);
    const { plan } = await restore(site);
    expect(await sharedBy(site, 'a', 'b', 'd/c')).toBe(true);
    for (const _ of [1, 2]) {
      const { findings } = await config.undoRestoreStep({ plan, stepId: 'write', input: {} });
      expect(findings).toEqual([]);
      expect(await textsBelow(site.root)).toEqual(before);
      expect(await sharedBy(site, 'a', 'd/c')).toBe(true);
      expect(await sharedBy(site, 'a', 'b')).toBe(false);
    }
  });

  it('do not follow when one of them alone is brought back', async () => {
    const site = await aFileOfThreeNames();
    await writeFile(site.at('a'), 'written since');
    const { plan } = await restore(site, { scope: { kind: 'file', names: { path: 'd/c' } } });
    expect(await textsBelow(site.root)).toMatchObject({ a: 'written since', b: 'written since', 'd/c': 'shared' });
    await site.config.undoRestoreStep({ plan, stepId: 'write', input: {} });
    expect(await textsBelow(site.root)).toMatchObject({
      a: 'written since',
      b: 'written since',
      'd/c': 'written since',
    });
  });
});

/** Bytes that a folder takes on its disk. */
async function usedBelow(folder: string): Promise<number> {
  return Number.parseInt(execFileSync('du', ['-s', '--block-size=1', '--', folder], { encoding: 'utf8' }), 10);
}

describe('faults 66: a file with holes', () => {
  it('waits for its place in the archive without them', async () => {
    const folder = await ownFolder();
    const holding = createHolding(join(folder, 'large'));
    const parts = [Buffer.from('begin'), Buffer.alloc(20_000_000), Buffer.from('end'), Buffer.alloc(9_999_999)];
    for (const part of parts) await holding.write(part);
    const read: Uint8Array[] = [];
    for await (const chunk of holding.content()) read.push(chunk);
    expect(Buffer.concat(read).equals(Buffer.concat(parts))).toBe(true);
    expect(await usedBelow(folder)).toBeLessThan(100_000);
    await holding.close();
  });

  it('comes back with them, and none of its copies fills the disk on the way', async () => {
    const site = await aRoot();
    const size = 64 * 1024 ** 2;
    await writeFile(site.at('image'), 'begin');
    await truncate(site.at('image'), size - 3);
    await writeFile(site.at('image'), 'end', { flag: 'a' });
    const before = await readFile(site.at('image'));
    await backUp(site.config, site.backups, 'config', 'b1');
    await rm(site.at('image'));
    const { plan, results } = await restore(site);
    expect(before.equals(await readFile(site.at('image')))).toBe(true);
    expect((await stat(site.at('image'))).blocks * 512).toBeLessThan(size / 8);
    expect(results[2]?.findings).toMatchObject([{ level: 'ok' }]);
    expect(await usedBelow(site.workDirectory)).toBeLessThan(size / 8);
    await site.config.finishRestore({ plan, outcome: 'succeeded' });
  });
});

describe('extended attributes and ACLs', () => {
  it('are told, with the files that have them, in the backup and before it', async () => {
    const site = await aRoot();
    for (const name of ['plain', 'tagged']) await writeFile(site.at(name), 'x');
    const raw = Buffer.concat([Buffer.from(`${site.root}/`), Buffer.from([0x61, 0xff])]);
    await writeFile(raw, 'x');
    execFileSync('setfattr', ['-n', 'user.tag', '-v', 'secret-value', '--', site.at('tagged')]);
    execFileSync('xargs', ['-0', 'setfattr', '-n', 'user.raw', '-v', '1', '--'], { input: raw });
    const told = `are not backed up: '${site.root}/a\ufffd' (user.raw), '${site.at('tagged')}' (user.tag)`;
    const { facts } = await backUp(site.config, site.backups, 'config', 'b1');
    expect(facts.warnings).toEqual([`extended attributes and ACLs ${told}`]);
    const { findings } = await site.config.inspect({ site: 'west', kinds: [] });
    expect(findings).toMatchObject([{ level: 'warning', message: told }]);
  });

  it('are told to be unknown where nothing can look for them', async () => {
    const site = await aRoot();
    await writeFile(site.at('plain'), 'x');
    const { PATH } = process.env;
    onTestFinished(() => {
      process.env.PATH = PATH;
    });
    const tools = await ownFolder();
    for (const name of ['setpriv', 'xargs']) await symlink(`/usr/bin/${name}`, join(tools, name));
    process.env.PATH = tools;
    const { findings } = await site.config.inspect({ site: 'west', kinds: [] });
    expect(findings).toMatchObject([{ level: 'warning', mend: 'apt-get install attr' }]);
  });
});

describe('what is no file', () => {
  it('is told and never read: a pipe, a socket, a device', async () => {
    const site = await aRoot();
    await writeFile(site.at('file'), 'x');
    execFileSync('mkfifo', [site.at('pipe')]);
    const server = createServer().listen(site.at('socket'));
    onTestFinished(() => void server.close());
    // Reading it would never end; without root there is none to be made.
    if (isRoot) execFileSync('mknod', [site.at('zero'), 'c', '1', '5']);
    const odd = ['pipe', 'socket', ...(isRoot ? ['zero'] : [])];
    const told = odd.map((name) => `file "${name}" is a device, a socket or a pipe; it is not backed up`);
    const { facts } = await backUp(site.config, site.backups, 'config', 'b1');
    expect(facts.warnings.toSorted()).toEqual(told);
    const { findings } = await site.config.inspect({ site: 'west', kinds: [] });
    expect(findings.map(({ subject, message }) => `${subject} ${message}`).sort()).toEqual(told);
    expect(facts.counts).toMatchObject({ files: 1, leftOut: odd.length });
  });
});

describe('a path', () => {
  it('of a hundred folders comes back, and one beyond what a system call takes is told', async () => {
    const site = await aRoot();
    const deep = Array.from({ length: 100 }, () => 'd').join('/');
    await mkdir(site.at(deep), { recursive: true });
    await writeFile(site.at(`${deep}/leaf`), 'deep');
    const long = Array.from({ length: 14 }, () => 'l'.repeat(250)).join('/');
    onTestFinished(() => void execFileSync('rm', ['-rf', '--', site.root])); // Node itself cannot reach so deep.
    for (const cwd of [site.root, site.at(long)]) execFileSync('mkdir', ['-p', '--', long], { cwd });
    const { facts } = await backUp(site.config, site.backups, 'config', 'b1');
    expect(facts.warnings.some((line) => line.includes('is longer than 4095 bytes; it is not backed up'))).toBe(true);
    execFileSync('rm', ['-r', '--', site.root]);
    await restore(site);
    expect(await readFile(site.at(`${deep}/leaf`), 'utf8')).toBe('deep');
  });
});

describe('faults 63, 64: a folder whose name could lead upwards elsewhere', () => {
  it('is told and left out, and the rest of the backup can be restored', async () => {
    const site = await aRoot();
    for (const name of ['x\\..', '..\\y']) {
      await mkdir(site.at(name));
      await writeFile(site.at(`${name}/inside`), 'x');
    }
    await writeFile(site.at('good'), 'good');
    const { facts } = await backUp(site.config, site.backups, 'config', 'b1');
    expect(facts.warnings.filter((line) => line.endsWith('leads upwards; it is not backed up'))).toHaveLength(2);
    await writeFile(site.at('good'), 'bad');
    await restore(site);
    expect(await readFile(site.at('good'), 'utf8')).toBe('good');
  });
});

describe('many thousand small files', () => {
  it('come back, all of them, with what is in each', { timeout: 600_000 }, async () => {
    const site = await aRoot('/dev/shm');
    const names = Array.from({ length: 5_000 }, (_, index) => `${index % 100}/${index}.conf`);
    for (let folder = 0; folder < 100; folder++) await mkdir(site.at(String(folder)));
    for (const name of names) await writeFile(site.at(name), `value = ${name}\n`);
    const { facts } = await backUp(site.config, site.backups, 'config', 'b1');
    expect(facts.counts).toEqual({ files: names.length, directories: 100, links: 0, leftOut: 0 });
    await rm(site.root, { recursive: true });
    const { results } = await restore(site);
    expect(results[1]?.facts).toEqual({ paths: names.length + 100, replaced: names.length + 100 });
    for (const name of names) expect(await readFile(site.at(name), 'utf8')).toBe(`value = ${name}\n`);
  });
});
