// A bucket that keeps versions: all of them, and the repository as it was first written.
import { type DeleteMarkerEntry, ListObjectVersionsCommand, type ObjectVersion } from '@aws-sdk/client-s3';
import { type Bucket, talking, withSignal } from './s3-client.ts';
import { readResuming } from './s3-reading.ts';
import { required } from './s3-upload.ts';
import { missing, type ReadableStore, type StoredObject } from './store.ts';

interface Version {
  readonly key: string;
  readonly id: string;
  readonly modifiedAt: string;
  /** Null for a delete marker. */
  readonly bytes: number | null;
}

/** Every version and delete marker below a name. Where the bucket keeps none, the objects themselves. */
export async function listVersions(bucket: Bucket, prefix: string): Promise<readonly Version[]> {
  const versions: Version[] = [];
  let from: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
  for (;;) {
    const input = { Bucket: bucket.configuration.bucket, Prefix: bucket.keyOf(prefix), ...from };
    const page = await bucket.client.send(new ListObjectVersionsCommand(input), withSignal());
    const { Versions = [], DeleteMarkers = [] } = page;
    versions.push(...Versions.map((one) => versionOf(one, required(one.Size, 'a length'))));
    versions.push(...DeleteMarkers.map((one) => versionOf(one, null)));
    if (!page.IsTruncated) return versions;
    from = { KeyMarker: required(page.NextKeyMarker, 'the next key'), VersionIdMarker: page.NextVersionIdMarker };
  }
}

const versionOf = (
  { Key, VersionId, LastModified }: ObjectVersion | DeleteMarkerEntry,
  bytes: number | null,
): Version => ({
  key: required(Key, 'a name'),
  id: required(VersionId, 'a version'),
  modifiedAt: required(LastModified, 'a time').toISOString(),
  bytes,
});

/** What was first written under each name. */
export function firstVersionsOf(bucket: Bucket): ReadableStore {
  const find = async (object: string) => (await firstBelow(bucket, object)).find(({ name }) => name === object) ?? null;
  return {
    name: bucket.tier,
    kind: 's3',
    list: (prefix) => talking(bucket, 'listing versions', () => firstBelow(bucket, prefix)),
    stat: (object) => talking(bucket, 'looking at the versions of an object', () => find(object)),
    async *read(object, start = 0) {
      const first = await talking(bucket, 'looking at the versions of an object', () => find(object));
      if (first === null) throw missing({ name: bucket.tier }, object);
      yield* readResuming(bucket, object, start, first.versionId);
    },
  };
}

// The versions of a name are listed from the newest to the oldest; times have whole seconds in some stores.
async function firstBelow(bucket: Bucket, prefix: string): Promise<readonly (StoredObject & { versionId: string })[]> {
  const first = new Map<string, StoredObject & { versionId: string }>();
  for (const { key, id: versionId, modifiedAt, bytes } of await listVersions(bucket, prefix)) {
    const name = key.slice(bucket.configuration.prefix.length);
    const known = first.get(name);
    if (bytes === null || (known && known.modifiedAt < modifiedAt)) continue;
    first.set(name, { name, bytes, modifiedAt, versionId });
  }
  return [...first.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
