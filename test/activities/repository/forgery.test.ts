// Somebody who may write into a tier makes manifests of their own, and puts parts where they do not belong.
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decryptedBytes } from '../../../activities/repository/artifact-reading.ts';
import { backupKeyring, contextOf, encryption, type PartContext } from '../../../activities/repository/cipher.ts';
import { sha256Of } from '../../../activities/repository/measure.ts';
import { signText } from '../../../activities/repository/signing.ts';
import { canonicalJson } from '../../../domain/json.ts';
import type { Artifact, BackupRef } from '../../../domain/manifest.ts';
import { parseManifest } from '../../../domain/manifest-record.ts';
import { makeRepository, makeSigner, store, type TestRepository, take } from '../../support/repository.ts';

// Every write is flushed to the disk, which a busy machine makes slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const REF: BackupRef = { system: 'redis', backupId: 'b1' };
let repository: TestRepository;
let manifest: Tree;
let stranger: string;

type Tree = { [name: string]: unknown };

beforeAll(async () => {
  repository = makeRepository();
  stranger = makeSigner(repository.directory, 'stranger').privateKey;
  await store(repository, await take(repository, REF, { 'dump.rdb': randomBytes(1000) }), ['local', 'remote']);
  manifest = JSON.parse(readFileSync(fileOf('manifest.json'), 'utf8')) as Tree;
});
afterAll(() => repository.remove());

const fileOf = (name: string) => join(repository.directory, 'local/backups/redis/b1', name);

/** Every place of a tree that holds a value, as its names from the root. */
function placesIn(value: unknown, path: readonly string[] = []): string[][] {
  const own = path.length === 0 ? [] : [[...path]];
  if (typeof value !== 'object' || value === null) return own;
  return [...own, ...Object.entries(value).flatMap(([name, member]) => placesIn(member, [...path, name]))];
}

/** The manifest with one place changed, or taken out. */
function changed(path: readonly string[], change: (holder: Tree, name: string) => void): Tree {
  const copy = structuredClone(manifest);
  const holder = path.slice(0, -1).reduce<Tree>((tree, name) => tree[name] as Tree, copy);
  change(holder, path.at(-1) ?? '');
  return copy;
}

async function openForged(forged: Tree, key: string): Promise<unknown> {
  const text = canonicalJson(forged);
  const { sequence, sealedAt } = manifest;
  const signature = await signText({ ...repository.configuration.signing, key: `\${file:${key}}` }, text);
  for (const [name, content] of [
    ['manifest.json', text],
    ['manifest.json.sig', JSON.stringify({ ...signature, sequence, sealedAt })],
  ] as const) {
    rmSync(fileOf(name)); // The tiers of a test may be hard links of one another.
    writeFileSync(fileOf(name), content);
  }
  const failure = await repository.reader.open(REF, 'local').catch((error: unknown) => error);
  return { failure, keyId: signature.keyId };
}

describe('faults 27: a manifest', () => {
  it('with any one field changed and signed by a key that nobody trusts is refused with the id of that key', async () => {
    expect(placesIn(manifest).length).toBeGreaterThan(30);
    const edits = fc.tuple(fc.constantFrom(...placesIn(manifest)), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(edits, async ([path, value]) => {
        const forged = changed(path, (holder, name) => {
          holder[name] = value;
        });
        const { failure, keyId } = (await openForged(forged, stranger)) as { failure: Error; keyId: string };
        expect(failure).toMatchObject({ code: 'MANIFEST_UNTRUSTED' });
        expect(failure.message).toContain(`key '${keyId}', which is not trusted`);
      }),
      { numRuns: 100 },
    );
  });

  it('that a trusted key signed, and the newest checkpoint does not name, is refused whatever was changed', async () => {
    const trusted = join(repository.directory, 'keys/sealer.pem');
    for (const path of placesIn(manifest)) {
      const forged = changed(path, (holder, name) => {
        holder[name] = typeof holder[name] === 'number' ? Number(holder[name]) + 1 : `${String(holder[name])}0`;
      });
      const { failure } = (await openForged(forged, trusted)) as { failure: unknown };
      expect(failure).toMatchObject({
        code: expect.stringMatching(/^(CHECKPOINT_MISMATCH|MANIFEST_UNTRUSTED|VERSION_UNFIT)$/),
      });
    }
  });

  it('is taken whole or not at all: without any one of its fields, or with one of another type, nothing is read', () => {
    const free = /^(source|tools|counts|report)\./; // What a store says of itself has no fixed names.
    for (const path of placesIn(manifest)) {
      if (free.test(path.join('.')) || /^(artifacts|recipients)\.\d+$/.test(path.join('.'))) continue;
      const without = changed(path, (holder, name) => {
        delete holder[name];
      });
      const strange = changed(path, (holder, name) => {
        holder[name] = { strange: true };
      });
      for (const forged of [without, ...(/^(source|report)$/.test(path.join('.')) ? [] : [strange])])
        expect(() => parseManifest(canonicalJson(forged)), path.join('.')).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/^(MANIFEST_UNTRUSTED|VERSION_UNFIT)$/) }),
        );
    }
  });

  it('of a future format is refused by its number, however it is signed', async () => {
    const trusted = join(repository.directory, 'keys/sealer.pem');
    const { failure } = (await openForged({ ...manifest, format: 7, invented: true }, trusted)) as { failure: unknown };
    expect(failure).toMatchObject({ code: 'VERSION_UNFIT', message: expect.stringContaining('format 7') });
  });
});

describe('faults 25: a part of a backup', () => {
  const plain = randomBytes(5000);
  const key = randomBytes(32);
  const home: PartContext = contextOf('shop', REF, 'dump.rdb');
  const artifact: Artifact = {
    ...{ name: 'dump.rdb', role: 'dump' },
    ...measured(plain),
    storedBytes: 0,
    storedSha256: '',
  };

  async function openedAs(ref: BackupRef, context: PartContext): Promise<Buffer> {
    const { createZstdCompress } = await import('node:zlib');
    const { Readable } = await import('node:stream');
    const stored = Readable.from([plain])
      .pipe(createZstdCompress())
      .pipe(encryption(backupKeyring(REF, key), home));
    const chunks: Uint8Array[] = [];
    for await (const chunk of decryptedBytes(stored, artifact, backupKeyring(ref, key), context)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  it('opens where it belongs', async () => {
    expect((await openedAs(REF, home)).equals(plain)).toBe(true);
  });

  it.each([
    ['under the name of another part', { part: 'other.rdb' }],
    ['in another backup', { backup: 'b2' }],
    ['in another system', { system: 'postgres' }],
    ['on another platform', { platform: 'other' }],
  ])('is refused %s, although its key and its bytes are right', async (_where, place) => {
    const elsewhere = openedAs(REF, { ...home, ...place });
    await expect(elsewhere).rejects.toMatchObject({
      code: 'ARTIFACT_DAMAGED',
      message: expect.stringContaining('belongs elsewhere'),
    });
  });
});

function measured(bytes: Uint8Array): Pick<Artifact, 'plainBytes' | 'plainSha256'> {
  return { plainBytes: bytes.length, plainSha256: sha256Of(bytes) };
}
