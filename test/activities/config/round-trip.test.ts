import { execFileSync } from 'node:child_process';
import { chmod, chown, lstat, mkdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createConfig } from '../../../activities/config/index.ts';
import { Failure } from '../../../domain/failures.ts';
import { OWN_FILE, type OwnFile, parseOwnFile } from '../../../domain/own-file.ts';
import { backUp, carryOut, failureOf, ownFolder, restoreRequest, textsBelow } from '../../support/file-systems.ts';
import { createPlainBackups } from '../../support/plain-backups.ts';

const isRoot = process.getuid?.() === 0;

async function aPlatform(patterns = ['**/*'], exclude: string[] = [], ownFile?: () => Promise<OwnFile>) {
  const folder = await ownFolder();
  const root = join(folder, 'etc');
  const workDirectory = join(folder, 'work');
  await mkdir(join(root, 'app', 'conf.d'), { recursive: true });
  await writeFile(join(root, 'app', '.env'), 'PASSWORD=old\nPORT=80\n', { mode: 0o600 });
  await writeFile(join(root, 'app', 'conf.d', 'a.conf'), 'a', { mode: 0o640 });
  await writeFile(join(root, 'empty'), '');
  await symlink('app/.env', join(root, 'current'));
  await chmod(join(root, 'app', 'conf.d'), 0o750);
  await utimes(join(root, 'empty'), 1_000_000_000.25, 1_000_000_000.25);
  const backups = createPlainBackups(join(folder, 'backups'));
  const configuration = { root, patterns, exclude };
  const config = createConfig({
    platform: 'shop',
    site: 'west',
    configuration,
    workDirectory,
    scratchUser: undefined,
    ownFile,
    ...backups,
  });
  return { folder, root, workDirectory, backups, config };
}

describe('a backup of the configuration', () => {
  it('brings back names, content, modes, owners, links and times after everything was lost', async () => {
    const { root, backups, config } = await aPlatform();
    if (isRoot) await chown(join(root, 'app', '.env'), 1, 2);
    const taken = await backUp(config, backups, 'config', 'b1');
    expect(taken.facts.counts).toEqual({ files: 3, directories: 2, links: 1, leftOut: 0 });
    const before = await textsBelow(root);
    await rm(root, { recursive: true });

    const plan = await config.planRestore(restoreRequest('config'));
    expect(plan.difference).toEqual({ added: 6, changed: 0, unchanged: 0 });
    await carryOut(config, plan);

    expect(await textsBelow(root)).toEqual(before);
    const env = await stat(join(root, 'app', '.env'));
    expect([env.mode & 0o7777, env.uid, env.gid]).toEqual(isRoot ? [0o600, 1, 2] : [0o600, env.uid, env.gid]);
    expect((await stat(join(root, 'app', 'conf.d'))).mode & 0o7777).toBe(0o750);
    expect(await readlink(join(root, 'current'))).toBe('app/.env');
    expect((await stat(join(root, 'empty'))).mtimeMs).toBe(1_000_000_000_250);
  });

  it("holds Holdfast's own file beside the platform's, or says that it does not", async () => {
    const publicKeys = [{ path: '/k/a.pub', pem: '-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n' }];
    const own: OwnFile = { format: 1, file: '/etc/holdfast/holdfast.yaml', text: 'platform: shop\n', publicKeys };
    const { folder, backups, config } = await aPlatform(['**/*'], [], async () => own);
    const { facts } = await backUp(config, backups, 'config', 'b1');
    expect(facts.artifacts.map(({ role }) => role)).toEqual(['archive', 'inventory', 'holdfast']);
    const stored = await readFile(join(folder, 'backups', 'config', 'b1', 'sealed', OWN_FILE), 'utf8');
    expect(parseOwnFile(stored)).toEqual(own);

    const broken = await aPlatform(['**/*'], [], () => Promise.reject(new Failure('CONFIG_INVALID', 'no such key')));
    const without = await backUp(broken.config, broken.backups, 'config', 'b1');
    expect(without.facts.artifacts).toHaveLength(2);
    expect(without.facts.warnings).toEqual([expect.stringMatching(/Holdfast's own file .*no such key/)]);
  });

  it('is a tar that any tar opens', async () => {
    const { folder, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    const archive = join(folder, 'backups', 'config', 'b1', 'sealed', 'files.tar');
    const listed = execFileSync('tar', ['-tf', archive], { encoding: 'utf8' });
    expect(listed.split('\n').filter(Boolean).sort()).toEqual(
      ['app', 'app/.env', 'app/conf.d', 'app/conf.d/a.conf', 'current', 'empty'].sort(),
    );
  });

  it('takes what the patterns select, dot files included, and leaves what is excluded', async () => {
    const { root, backups, config } = await aPlatform(['**/*.env', 'app/conf.d'], ['**/*.bak']);
    await writeFile(join(root, 'app', 'conf.d', 'a.bak'), 'x');
    const taken = await backUp(config, backups, 'config', 'b1');
    expect(taken.facts.counts).toEqual({ files: 2, directories: 2, links: 0, leftOut: 0 });
  });

  it('taken twice by the same run is one backup', async () => {
    const { config } = await aPlatform();
    const take = () =>
      config.takeBackup({ site: 'west', backup: { system: 'config', backupId: 'b1' }, kind: 'files', run: 'r' });
    const first = await take();
    expect(await take()).toEqual(first);
  });

  it('faults 64: brings back hostile names byte for byte', async () => {
    const { root, backups, config } = await aPlatform();
    const names = [
      'caf\u00e9',
      'cafe\u0301',
      '-rf',
      'line\nbreak',
      '\u202egnp.exe',
      '"\'`$(touch x)',
      '😀',
      'sep\u2028',
      `${'ä'.repeat(127)}x`,
    ];
    for (const name of names) await writeFile(join(root, name), name);
    const raw = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff, 0xe4, 0x80])]);
    await writeFile(raw, 'raw bytes');
    await backUp(config, backups, 'config', 'b1');
    await rm(root, { recursive: true });

    await carryOut(config, await config.planRestore(restoreRequest('config')));

    for (const name of names) expect(await readFile(join(root, name), 'utf8')).toBe(name);
    expect(await readFile(raw, 'utf8')).toBe('raw bytes');
  });

  it('tells of links that leave the root and of pipes, and leaves them out', async () => {
    const { root, backups, config } = await aPlatform();
    await symlink('/etc/passwd', join(root, 'outside'));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const taken = await backUp(config, backups, 'config', 'b1');
    expect(taken.facts.counts.leftOut).toBe(2);
    expect(taken.facts.warnings.toSorted()).toEqual([
      'file "outside" is a link that points out of the root: "/etc/passwd"; it is not backed up',
      'file "pipe" is a device, a socket or a pipe; it is not backed up',
    ]);
  });
});

describe('a restore of the configuration', () => {
  it('shows what it replaces, keeps the old files, and removes nothing', async () => {
    const { root, workDirectory, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'app', '.env'), 'PASSWORD=new\n');
    await writeFile(join(root, 'later'), 'not in the backup');
    await rm(join(root, 'empty'));

    const plan = await config.planRestore(restoreRequest('config'));
    expect(plan.difference).toEqual({ added: 1, changed: 1, unchanged: 4 });
    await carryOut(config, plan);
    const { kept } = await config.finishRestore({ plan, outcome: 'succeeded' });

    expect(await readFile(join(root, 'app', '.env'), 'utf8')).toBe('PASSWORD=old\nPORT=80\n');
    expect(await readFile(join(root, 'later'), 'utf8')).toBe('not in the backup');
    const where = join(workDirectory, 'kept', 'restore-1', 'config');
    expect(kept).toEqual([{ what: '1 replaced files and the journal', where, removeWith: `rm -r -- '${where}'` }]);
    expect(await readFile(join(where, 'files', 'app', '.env'), 'utf8')).toBe('PASSWORD=new\n');
    expect((await stat(where)).mode & 0o777).toBe(0o700);
  });

  it('is undone completely, also when it is undone twice', async () => {
    const { root, workDirectory, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'app', '.env'), 'PASSWORD=new\n', { mode: 0o644 });
    await chmod(join(root, 'app', '.env'), 0o644);
    await rm(join(root, 'app', 'conf.d'), { recursive: true });
    const before = await textsBelow(root);
    const plan = await config.planRestore(restoreRequest('config'));
    await carryOut(config, plan);

    const undo = { plan, stepId: 'write', input: {} };
    expect((await config.undoRestoreStep(undo)).findings).toEqual([]);
    await config.undoRestoreStep(undo);

    expect(await textsBelow(root)).toEqual(before);
    expect((await stat(join(root, 'app', '.env'))).mode & 0o777).toBe(0o644);
    await expect(lstat(join(root, 'app', 'conf.d'))).rejects.toThrow('ENOENT');
    expect(await config.finishRestore({ plan, outcome: 'undone' })).toEqual({ kept: [] });
    expect(await textsBelow(workDirectory)).toEqual({});
  });

  it('undo keeps what someone wrote after the restore', async () => {
    const { root, workDirectory, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'empty'), 'before');
    const plan = await config.planRestore(restoreRequest('config'));
    await carryOut(config, plan);
    await writeFile(join(root, 'empty'), 'after');

    const { findings } = await config.undoRestoreStep({ plan, stepId: 'write', input: {} });

    expect(findings.map(({ message }) => message)).toEqual(['was changed after the restore; that version is kept']);
    expect(await readFile(join(root, 'empty'), 'utf8')).toBe('before');
    const { kept } = await config.finishRestore({ plan, outcome: 'undone' });
    expect(kept).toHaveLength(1);
    const foreign = join(workDirectory, 'kept', 'restore-1', 'config', 'changed-since', 'empty');
    expect(await readFile(foreign, 'utf8')).toBe('after');
  });

  it('run twice changes nothing the second time', async () => {
    const { root, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'empty'), 'changed');
    const plan = await config.planRestore(restoreRequest('config'));
    await carryOut(config, plan);
    const { ino } = await stat(join(root, 'empty'));
    const results = await carryOut(config, plan);
    expect(results[1]?.facts).toEqual({ paths: 1, replaced: 0 });
    expect((await stat(join(root, 'empty'))).ino).toBe(ino);
  });

  it('brings back one file and touches no other', async () => {
    const { root, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'app', '.env'), 'x');
    await writeFile(join(root, 'empty'), 'x');
    const scope = { kind: 'file', names: { path: join(root, 'app', '.env') } } as const;
    await carryOut(config, await config.planRestore(restoreRequest('config', { scope })));
    expect(await readFile(join(root, 'app', '.env'), 'utf8')).toContain('PASSWORD=old');
    expect(await readFile(join(root, 'empty'), 'utf8')).toBe('x');
  });

  it('refuses a file that the backup does not hold', async () => {
    const { backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    const scope = { kind: 'file', names: { path: 'nowhere' } } as const;
    expect(await failureOf(config.planRestore(restoreRequest('config', { scope })))).toBe('PART_NOT_FOUND');
  });

  it('refuses when the files changed after the plan was made', async () => {
    const { root, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'empty'), 'changed');
    const plan = await config.planRestore(restoreRequest('config'));
    await writeFile(join(root, 'empty'), 'changed again');
    expect(await failureOf(carryOut(config, plan))).toBe('PLAN_CHANGED');
    expect(await readFile(join(root, 'empty'), 'utf8')).toBe('changed again');
  });

  it('refuses another target than the one that was backed up', async () => {
    const { backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    const request = restoreRequest('config', { expectedIdentity: 'shop:config:/elsewhere' });
    expect(await failureOf(config.planRestore(request))).toBe('TARGET_MISMATCH');
  });

  it('into scratch is compared, leaves the live files alone and nothing behind', async () => {
    const { root, workDirectory, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'empty'), 'live');
    const plan = await config.planRestore(restoreRequest('config', { target: 'scratch' }));
    const results = await carryOut(config, plan);
    expect(results[2]?.facts).toEqual({ compared: 6 });
    await config.finishRestore({ plan, outcome: 'succeeded' });
    expect(await readFile(join(root, 'empty'), 'utf8')).toBe('live');
    expect(await textsBelow(workDirectory)).toEqual({});
  });

  it('faults 63: writes through no link that stands where the backup has a folder', async () => {
    const { folder, root, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await rm(join(root, 'app'), { recursive: true });
    await mkdir(join(folder, 'victim'));
    await symlink(join(folder, 'victim'), join(root, 'app'));
    expect(await failureOf(config.planRestore(restoreRequest('config')))).toBe('TARGET_UNSAFE');
    expect(await textsBelow(join(folder, 'victim'))).toEqual({});
  });
});

describe('two backups of the configuration', () => {
  it('differ by key, and no value is told', async () => {
    const { root, backups, config } = await aPlatform();
    await backUp(config, backups, 'config', 'b1');
    await writeFile(join(root, 'app', '.env'), 'PASSWORD=hunter2\nPORT=80\nNEW=1\n');
    await chmod(join(root, 'empty'), 0o600);
    await rm(join(root, 'current'));
    await backUp(config, backups, 'config', 'b2');

    const diff = await config.diffBackups({
      from: { system: 'config', backupId: 'b1' },
      to: { system: 'config', backupId: 'b2' },
    });

    const mark = expect.stringMatching(/^[0-9a-f]{8}$/);
    expect(diff).toMatchObject({ moreFiles: 0, unchanged: 3 });
    expect(diff.files).toEqual([
      {
        path: 'app/.env',
        change: 'changed',
        parts: ['content'],
        lines: [
          { change: 'changed', where: 'PASSWORD', before: mark, after: mark },
          { change: 'added', where: 'NEW', before: null, after: mark },
        ],
        moreLines: 0,
      },
      { path: 'current', change: 'removed', parts: [], lines: [], moreLines: 0 },
      { path: 'empty', change: 'changed', parts: ['mode'], lines: [], moreLines: 0 },
    ]);
    expect(diff.text.split('\n')).toEqual([
      'changed "app/.env" (content)',
      expect.stringMatching(/^ {2}PASSWORD: [0-9a-f]{8} -> [0-9a-f]{8}$/),
      expect.stringMatching(/^ {2}NEW: absent -> [0-9a-f]{8}$/),
      'removed "current"',
      'changed "empty" (mode)',
      '3 unchanged',
    ]);
    expect(JSON.stringify(diff)).not.toMatch(/hunter2|old/);
  });
});
