// `dr init` as its users run it: what it writes, with which modes, and what it refuses to write.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dr } from './dr.ts';

const ADDRESSES = `# the stores
postgres://dr:canary-pg@127.0.0.1:5433/shop?sslmode=disable
rediss://:canary%2Fredis@cache.internal

amqp://dr:canary-mq@127.0.0.1
`;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-init-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('dr init --from-urls -', () => {
  it('writes a right configuration, keys that fit, and a secret file for each password, all for the owner alone', async () => {
    const { status, stdout, stderr } = await dr(
      ['init', '--from-urls', '-', '--directory', join(directory, 'orders')],
      {
        input: ADDRESSES,
      },
    );
    expect(stderr).toBe('');
    expect(stdout).toContain(`Take the escrow key offline NOW: copy ${directory}/orders/keys/escrow.key`);
    expect(stdout).toContain('warning: sites.main.rabbitmq: definitions only');
    expect(status).toBe(3);
    expect(await modesBelow(join(directory, 'orders'))).toEqual({ files: ['600'], folders: ['700'] });
    const text = await readFile(join(directory, 'orders/holdfast.yaml'), 'utf8');
    expect(text + stdout).not.toContain('canary');
    expect(await readFile(join(directory, 'orders/secrets/redis'), 'utf8')).toBe('canary/redis\n');
    expect(text).toContain('port: 5433');
    const checked = await dr(['config', 'check', '--config', join(directory, 'orders/holdfast.yaml'), '--json']);
    expect(JSON.parse(checked.stdout)).toMatchObject({ valid: true });
    for (const name of ['restore', 'escrow', 'witness']) await requirePair(join(directory, 'orders/keys', name));
  });

  it('never overwrites: the second time it changes nothing and says what is there', async () => {
    const before = await readFile(join(directory, 'orders/keys/restore.key'), 'utf8');
    const { status, stderr } = await dr(['init', '--directory', join(directory, 'orders')]);
    expect(stderr).toMatch(/^already there: '.*holdfast\.yaml', .*\nMEANS: it was not overwritten/);
    expect(status).toBe(4);
    expect(await readFile(join(directory, 'orders/keys/restore.key'), 'utf8')).toBe(before);
  });

  it('refuses a password on the command line without repeating it, and takes a reference there', async () => {
    const into = ['--directory', join(directory, 'second')];
    const refused = await dr(['init', '--from-urls', 'postgres://dr:canary@db/shop', ...into]);
    expect(refused.stderr).toBe(
      "address 1 (postgres://db) holds a password\nMEANS: every user of this machine can read it there; nothing was written\nDO: give the addresses on standard input ('--from-urls -'), or write ${env:NAME} in place of the password\n",
    );
    expect(refused.status).toBe(2);
    const taken = await dr(['init', '--from-urls', 'postgres://dr:${env:PGPASSWORD}@db/shop', ...into]);
    expect(taken.status).toBe(3);
    const text = await readFile(join(directory, 'second/holdfast.yaml'), 'utf8');
    expect(text).toContain('password: ${env:PGPASSWORD}');
  });

  it.each([
    ['mysql://u:canary@h/x\n', 'address 1 is not one of'],
    ['redis://a\nredis://b\n', 'there are two addresses of redis'],
    ['amqp://h\n', 'the address of RabbitMQ needs a user'],
    ['\n', 'standard input holds no address'],
  ])('refuses %j', async (input, what) => {
    const target = join(directory, 'refused');
    const { status, stderr } = await dr(['init', '--from-urls', '-', '--directory', target], { input });
    expect(stderr).toContain(what);
    expect(stderr).not.toContain('canary');
    expect(status).toBe(2);
    await expect(stat(target)).rejects.toThrow('ENOENT');
  });
});

async function modesBelow(root: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const modes = await Promise.all(
    entries.map(async (entry) => {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      return { isFile: entry.isFile(), mode: (mode & 0o777).toString(8) };
    }),
  );
  const of = (isFile: boolean) => [...new Set(modes.filter((one) => one.isFile === isFile).map(({ mode }) => mode))];
  return { files: of(true), folders: of(false) };
}

async function requirePair(path: string): Promise<void> {
  const own = createPublicKey(createPrivateKey(await readFile(`${path}.key`, 'utf8')));
  const published = createPublicKey(await readFile(`${path}.pub`, 'utf8'));
  expect(own.equals(published)).toBe(true);
}
