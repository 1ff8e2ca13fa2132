import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { TarWalk } from '../../../activities/postgres/tar-walk.ts';

const MEMBERS: Readonly<Record<string, Buffer>> = {
  'backup_label.old': Buffer.alloc(0),
  'base/1/1259': randomBytes(3 * 8192),
  'base/1/odd': randomBytes(513),
  backup_manifest: Buffer.from('{"PostgreSQL-Backup-Manifest-Version": 1}'),
};

async function archive(): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(MEMBERS)) tar.entry({ name, mode: 0o600 }, content);
  tar.finalize();
  return buffer(tar);
}

function walk(bytes: Buffer, pieceBytes: number): Record<string, Buffer> {
  const found: Record<string, Buffer> = {};
  let current = '';
  const tar = new TarWalk({
    begin: ({ name }) => {
      current = name;
      found[name] = Buffer.alloc(0);
    },
    content: (some) => {
      found[current] = Buffer.concat([found[current] ?? Buffer.alloc(0), some]);
    },
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) tar.push(bytes.subarray(at, at + pieceBytes));
  tar.finish();
  return found;
}

describe('walking through a base backup’s tar', () => {
  it.each([1, 100, 511, 512, 513, 8192, 1_000_000])(
    'finds every member and its bytes in pieces of %i',
    async (bytes) => {
      expect(walk(await archive(), bytes)).toEqual(MEMBERS);
    },
  );

  it('refuses a tar that breaks off anywhere before its end', async () => {
    const whole = await archive();
    const end = whole.length - 2 * 512;
    for (const at of [0, 1, 512, 600, 5000, end - 512, end - 1, end + 511])
      expect(() => walk(whole.subarray(0, at), 1000), `at ${at}`).toThrow(
        expect.objectContaining({ code: 'TOOL_FAILED' }),
      );
    expect(walk(whole.subarray(0, end + 512), 1000)).toEqual(MEMBERS);
  });

  it('refuses a header whose sum is wrong', async () => {
    const broken = await archive();
    broken[3] = (broken[3] ?? 0) ^ 1;
    expect(() => walk(broken, 512)).toThrow(expect.objectContaining({ code: 'TOOL_FAILED' }));
  });

  it('reads a size beyond 8 GiB, which is written in base 256', () => {
    const header = Buffer.alloc(512);
    header.write('base/5/16384');
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(9_000_000_000n, 128);
    header.fill(' ', 148, 156);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0`,
      148,
    );
    const sizes: number[] = [];
    new TarWalk({ begin: ({ bytes }) => void sizes.push(bytes), content: () => undefined }).push(header);
    expect(sizes).toEqual([9_000_000_000]);
  });
});
