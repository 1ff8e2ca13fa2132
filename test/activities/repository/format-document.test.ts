import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { sha256Of } from '../../../activities/repository/measure.ts';
import { openRecord, parseSignature, requireTrusted } from '../../../activities/repository/signing.ts';
import { parseCheckpoint } from '../../../domain/checkpoint.ts';
import { canonicalJson } from '../../../domain/json.ts';
import { parseManifest } from '../../../domain/manifest-record.ts';
import { parseHold, parseProof } from '../../../domain/records.ts';
import * as layout from '../../../domain/repository-layout.ts';
import { makeRepository, store, take } from '../../support/repository.ts';

// The program of the page starts a process, which a busy machine makes slow.
vi.setConfig({ testTimeout: 60_000 });

const root = join(import.meta.dirname, '..', '..', '..');
const page = readFileSync(join(root, 'docs', 'repository-format.md'), 'utf8');

/** The code block of the page with that name. */
function example(name: string): string {
  const block = [...page.matchAll(/^```\w+ (\S+)\n([\s\S]*?)\n```$/gm)].find(([, title]) => title === name);
  if (block?.[2] === undefined) throw new Error(`the page has no example '${name}'`);
  return block[2];
}

mkdirSync(join(root, 'test-results'), { recursive: true });
const directory = mkdtempSync(join(root, 'test-results', 'format-'));
const repository = makeRepository();
afterAll(() => {
  repository.remove();
  rmSync(directory, { recursive: true, force: true });
});

writeFileSync(join(directory, 'signer.pem'), example('signer'));
const signing = { name: 'signer', trusted: [{ name: 'signer', publicKey: join(directory, 'signer.pem') }] };

test("the page's manifest is canonical, signed by the page's key, and read by the code", async () => {
  const text = example('manifest.json');
  await requireTrusted(signing, text, parseSignature(example('manifest.json.sig'), 'example'), 'example');
  expect(canonicalJson(parseManifest(text))).toBe(text);
});

test("the page's checkpoint names the page's manifest", async () => {
  const record = await openRecord(signing, example('checkpoint'), 'example');
  const checkpoint = parseCheckpoint(record);
  expect(canonicalJson(checkpoint)).toBe(record);
  expect(checkpoint.backups[0]?.manifestSha256).toBe(sha256Of(example('manifest.json')));
});

test("the page's proof, hold, sequence and repository record are what the code writes", async () => {
  const { system, backupId, platform } = parseManifest(example('manifest.json'));
  const proof = parseProof(await openRecord(signing, example('proof'), 'example'));
  expect(proof).toMatchObject({ system, backupId, platform, manifestSha256: sha256Of(example('manifest.json')) });
  expect(parseHold(await openRecord(signing, example('hold'), 'example'))).toMatchObject({
    type: 'hold',
    system,
    backupId,
  });
  expect(JSON.parse(example('sequence'))).toMatchObject({ system, backupId });
  expect(JSON.parse(example('repository.json'))).toMatchObject({ format: 1, platform });
});

test('the page names every folder and record of the layout', () => {
  const { REPOSITORY_RECORD, MANIFEST, SIGNATURE, BACKUPS, CHECKPOINTS, SEQUENCES, PROOFS, HOLDS, WITHDRAWN } = layout;
  for (const name of [
    REPOSITORY_RECORD,
    MANIFEST,
    SIGNATURE,
    BACKUPS,
    CHECKPOINTS,
    SEQUENCES,
    PROOFS,
    HOLDS,
    WITHDRAWN,
  ])
    expect(page).toContain(`\`${name}`.replace(/`manifest/, 'manifest'));
});

test("the page's program opens a backup with the public library alone", async () => {
  const ref = { system: 'redis', backupId: 'b1' } as const;
  const content = Buffer.alloc(3_000_000, 'holdfast ');
  await store(repository, await take(repository, ref, { 'dump.rdb': content }), ['local', 'remote']);
  const program = join(directory, 'open-backup.mjs');
  writeFileSync(program, example('open-backup.mjs'));
  const folder = join(repository.directory, 'local', 'backups', 'redis', 'b1');
  const key = join(repository.directory, 'keys', 'restore.pem');
  const options = { maxBuffer: 2 * content.length };
  expect(execFileSync(process.execPath, [program, folder, 'dump.rdb', key], options).equals(content)).toBe(true);
});
