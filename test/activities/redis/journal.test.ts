import { mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Journal, type JournalEntry, readJournalBackwards } from '../../../activities/redis/journal.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
});

afterEach(() => rm(folder, { recursive: true }));

const entry = (name: string, value: string | null, expiresAtMs = -1): JournalEntry => ({
  database: 3,
  key: Buffer.from(name, 'latin1'),
  payload: value === null ? null : Buffer.from(value),
  expiresAtMs,
});

async function write(...batches: JournalEntry[][]): Promise<void> {
  const journal = await Journal.begin(folder);
  for (const batch of batches) await journal.write(batch);
  await journal.end();
}

async function readAll(): Promise<JournalEntry[][]> {
  const batches: JournalEntry[][] = [];
  for await (const batch of readJournalBackwards(folder)) batches.push(batch);
  return batches;
}

it('a journal gives back its batches newest first, over all attempts, with binary names and absent keys', async () => {
  const [first, second, third] = [
    [entry('a\0\xff', 'old', 1_795_416_258_123)],
    [entry('b', null, -2)],
    [entry('a', 'newer')],
  ];
  await write(first, second);
  await write(third);
  expect(await readAll()).toEqual([third, second, first]);
});

it('a journal leaves out a last batch that was not written whole, because nothing was replaced for it', async () => {
  await write([entry('a', 'old')], [entry('b', 'torn')]);
  const [name] = await readdir(folder);
  const path = join(folder, name as string);
  await truncate(path, (await stat(path)).size - 1);
  expect(await readAll()).toEqual([[entry('a', 'old')]]);
});

it('a journal that was never begun holds nothing', async () => {
  await rm(folder, { recursive: true });
  expect(await readAll()).toEqual([]);
  await write();
});
