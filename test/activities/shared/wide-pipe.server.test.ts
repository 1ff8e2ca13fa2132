import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningTool, startTool } from '../../../activities/shared/run-tool.ts';
import { openWidePipe } from '../../../activities/shared/wide-pipe.ts';
import type { ByteSource } from '../../../domain/contracts/backup-content.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-pipe-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function printing(script: string): Promise<RunningTool & { pieces: ByteSource; close: () => void }> {
  const { writeEnd, pieces, close } = await openWidePipe(directory);
  const tool = startTool({ command: 'bash', args: ['-c', script] }, writeEnd);
  tool.stdin.end();
  return { ...tool, pieces, close };
}

/** Looks at every piece at once, as it is right only until the next one is asked for. */
async function digestOf(pieces: ByteSource): Promise<{ bytes: number; sha256: string; largest: number }> {
  const hash = createHash('sha256');
  let [bytes, largest] = [0, 0];
  for await (const piece of pieces) {
    hash.update(piece);
    bytes += piece.length;
    largest = Math.max(largest, piece.length);
  }
  return { bytes, largest, sha256: hash.digest('hex') };
}

const PSEUDO = 'openssl enc -aes-256-ctr -nosalt -k word -pbkdf2 -in /dev/zero 2>/dev/null | head -c';

describe('a wide pipe', () => {
  it('gives every byte of a tool in its order, also to a reader that is slower than the tool', async () => {
    const bytes = 20_000_001;
    const expected = (await digestOf((await printing(`${PSEUDO} ${bytes}`)).pieces)).sha256;
    const { pieces, finished } = await printing(`${PSEUDO} ${bytes}`);
    async function* slowly() {
      for await (const piece of pieces) {
        for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate); // The tool prints on meanwhile.
        yield piece;
      }
    }
    const found = await digestOf(slowly());
    await finished;
    expect(found).toEqual({ bytes, sha256: expected, largest: 256 * 1024 });
    expect(found.sha256).not.toBe(createHash('sha256').update('').digest('hex'));
  });

  it.each([0, 3, 60_000])('keeps %i bytes of a tool that ended before anybody began to read', async (bytes) => {
    const { pieces, finished } = await printing(`head -c ${bytes} /dev/zero`);
    await finished;
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    expect((await digestOf(pieces)).bytes).toBe(bytes);
  });

  it('ends the tool when its reader leaves, and leaves no file', async () => {
    const { pieces, finished } = await printing('yes');
    for await (const piece of pieces) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await expect(finished).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('works in a folder whose name is longer than a socket’s may be', async () => {
    const folder = await mkdtemp(join(directory, 'x'.repeat(120)));
    const { writeEnd, pieces } = await openWidePipe(folder);
    startTool({ command: 'echo', args: ['here'] }, writeEnd).stdin.end();
    expect((await digestOf(pieces)).bytes).toBe(5);
    await rm(folder, { recursive: true });
  });
});
