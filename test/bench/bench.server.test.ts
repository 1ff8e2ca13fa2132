import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { FIGURES } from '../../bench/figures.ts';
import { makePassage } from '../../local/folders.ts';

const run = promisify(execFile);
const BENCH = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));
const WITHIN_MS = 900_000;

test('the benchmark measures every figure on real servers and leaves nothing', { timeout: WITHIN_MS }, async () => {
  const folder = await makePassage(await mkdtemp(join(tmpdir(), 'hfb-')));
  try {
    const file = join(folder, 'small.json');
    const env = { ...process.env, TMPDIR: folder };
    const { stdout } = await run(process.execPath, [BENCH, '--small', '--runs', '1', '--out', file], { env });
    const { figures } = JSON.parse(await readFile(file, 'utf8'));
    expect(figures.map(({ name, bar, unit }: (typeof FIGURES)[number]) => ({ name, bar, unit }))).toEqual(
      FIGURES.map(({ name, bar, unit }) => ({ name, bar, unit })),
    );
    for (const { name, value, runs } of figures) expect([name, runs.includes(value)]).toEqual([name, true]);
    for (const { name } of FIGURES) expect(stdout).toContain(name);
    expect(await run('ls', [folder])).toMatchObject({ stdout: 'small.json\n' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
