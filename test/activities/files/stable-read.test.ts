import { appendFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMemoryHolding } from '../../../activities/files/holding.ts';
import { Folder, isNoFolder, placeBelow } from '../../../activities/files/place.ts';
import { readStable } from '../../../activities/files/stable-read.ts';
import { ownFolder } from '../../support/file-systems.ts';

async function aFile(text: string) {
  const directory = await ownFolder();
  const path = join(directory, 'a');
  await writeFile(path, text);
  const folder = await Folder.open(directory);
  onTestFinished(() => folder.close());
  return { directory, path, folder, place: { folder, name: 'a' } };
}

/** A holding that lets something happen to the file after each of the first `times` pieces. */
function interfering(times: number, interfere: () => Promise<unknown>) {
  const holding = createMemoryHolding();
  let left = times;
  return {
    ...holding,
    write: async (chunk: Buffer) => {
      await holding.write(chunk);
      if (left-- > 0) await interfere();
    },
  };
}

describe('readStable', () => {
  it('reads a file again that grew, or was rewritten in place, while it was read', async () => {
    for (const interfere of [appendFile, writeFile]) {
      const { path, place } = await aFile('one');
      const holding = interfering(2, () => interfere(path, 'two'));
      const read = await readStable(place, holding);
      expect(read.outcome).toBe('whole');
      expect(holding.bytes()?.toString()).toBe(await readFile(path, 'utf8'));
    }
  });

  it('gives up on a file that never holds still', async () => {
    const { path, place } = await aFile('one');
    expect(
      await readStable(
        place,
        interfering(99, () => appendFile(path, 'x')),
      ),
    ).toEqual({ outcome: 'unstable' });
  });

  it('keeps to the old file when a new one takes its name meanwhile', async () => {
    const { path, place } = await aFile('one');
    await writeFile(`${path}.new`, 'two');
    const holding = interfering(1, () => rename(`${path}.new`, path));
    await readStable(place, holding);
    expect(['one', 'two']).toContain(holding.bytes()?.toString());
  });

  it('tells of a file that is gone, and follows no link', async () => {
    const { path, place, directory } = await aFile('one');
    await rm(path);
    expect(await readStable(place, createMemoryHolding())).toEqual({ outcome: 'vanished' });
    await writeFile(join(directory, 'secret'), 'secret');
    await symlink('secret', path);
    await expect(readStable(place, createMemoryHolding())).rejects.toThrow('ELOOP');
  });
});

describe('faults 63: placeBelow', () => {
  it.each([true, false])('enters no link and no file on its way (making folders: %s)', async (makeFolders) => {
    const { folder, directory } = await aFile('one');
    await mkdir(join(directory, 'real'));
    await symlink('real', join(directory, 'link'));
    for (const path of ['link/x', 'a/x', 'real/../link/x']) {
      const refusal = await placeBelow(folder, path, makeFolders).then(
        () => null,
        (error) => error,
      );
      expect(isNoFolder(refusal)).toBe(true);
    }
  });

  it('stays in the folder it opened when a link takes the name of that folder', async () => {
    const { folder, directory } = await aFile('one');
    await mkdir(join(directory, 'real'));
    await mkdir(join(directory, 'victim'));
    const place = await placeBelow(folder, 'real/x', false);
    await rename(join(directory, 'real'), join(directory, 'moved'));
    await symlink('victim', join(directory, 'real'));
    const file = await place?.folder.create('x');
    await file?.close();
    await place?.folder.close();
    expect(await readFile(join(directory, 'moved', 'x'), 'utf8')).toBe('');
    await expect(readFile(join(directory, 'victim', 'x'))).rejects.toThrow('ENOENT');
  });
});
