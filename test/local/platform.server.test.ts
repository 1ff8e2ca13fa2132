import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveSecret } from '../../activities/shared/secrets.ts';
import { parseConfiguration } from '../../domain/configuration/parse.ts';
import { type RunningPlatform, startPlatform } from '../../local/platform.ts';

let platform: RunningPlatform;
const parts: string[] = [];

beforeAll(async () => {
  platform = await startPlatform({ onPart: (part) => parts.push(part) });
});
afterAll(() => platform?.remove());

test('the written configuration is good, closed to others, and holds no secret itself', async () => {
  const text = await readFile(platform.configurationFile, 'utf8');
  const { configuration, problems } = parseConfiguration(text);
  expect(problems.filter(({ level }) => level === 'error')).toEqual([]);
  expect(configuration?.platform).toBe(platform.name);
  expect((await stat(platform.configurationFile)).mode & 0o777).toBe(0o600);
  const references = text.match(/\$\{file:[^}]+\}/g) ?? [];
  expect(references.length).toBeGreaterThanOrEqual(7);
  for (const reference of references) expect(text).not.toContain(await resolveSecret(reference));
});

test('private keys are closed to others, and the escrow key is named nowhere in the configuration', async () => {
  const keys = join(platform.directory, 'keys');
  const files = await readdir(keys);
  expect(files).toContain('escrow.key');
  for (const file of files) expect((await stat(join(keys, file))).mode & 0o777).toBe(0o600);
  expect(await readFile(platform.configurationFile, 'utf8')).not.toContain('escrow.key');
});

test('every part is told once, and removing leaves neither a process nor a folder', async () => {
  expect(parts.toSorted()).toEqual(['PostgreSQL, Redis and RabbitMQ', 'S3 server', 'Temporal', 'keys']);
  expect(processesOf(platform.directory).length).toBeGreaterThanOrEqual(4);
  await platform.remove();
  expect(existsSync(platform.directory)).toBe(false);
  expect(processesOf(platform.directory)).toEqual([]);
});

test('a part that cannot start takes the others with it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-platform-'));
  await expect(startPlatform({ directory, temporalAddress: '127.0.0.1:1' })).rejects.toThrow();
  expect(processesOf(directory)).toEqual([]);
  await rm(directory, { recursive: true });
});

/** Every store of ours has its folder in its arguments. */
function processesOf(directory: string): string[] {
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return processes.filter((line) => line.includes(directory));
}
