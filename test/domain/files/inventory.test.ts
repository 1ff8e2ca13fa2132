import { describe, expect, it } from 'vitest';
import { type FileEntry, formatEntry, parseEntry } from '../../../domain/files/entry.ts';
import { diffInventories } from '../../../domain/files/inventory-diff.ts';

const owner = { uid: 7, gid: 8, user: 'app', group: 'app' };
const file: FileEntry = {
  path: 'a/\udcff\u2028',
  kind: 'file',
  mode: 0o640,
  owner,
  bytes: 3,
  sha256: 'a'.repeat(64),
  target: null,
  modifiedNs: '1700000000123456789',
  linkedTo: null,
  sparse: false,
};

describe('an inventory line', () => {
  it('comes back as it was, whatever the name', () => expect(parseEntry(formatEntry(file))).toEqual(file));

  it('of before, which told of no hard links and holes, has none', () => {
    const { linkedTo, sparse, ...old } = file;
    expect(parseEntry(JSON.stringify(old))).toEqual({ ...old, linkedTo: null, sparse: false });
  });

  it.each<[string, object]>([
    ['no hash', { sha256: null }],
    ['a hash that is none', { sha256: 'x' }],
    ['a mode beyond the bits', { mode: 0o10000 }],
    ['a negative length', { bytes: -1 }],
    ['an unknown kind', { kind: 'device' }],
    ['a kind of every object', { kind: 'toString' }],
    ['a link without a target', { kind: 'link', sha256: null, bytes: 0 }],
    ['a time that is none', { modifiedNs: 'now' }],
    ['no owner', { owner: null }],
    ['a hard link that is none', { linkedTo: 7 }],
    ['a folder that is a hard link', { kind: 'directory', sha256: null, bytes: 0, linkedTo: 'b' }],
    ['holes that are neither there nor not', { sparse: 'some' }],
    ['a path that is none', { path: 7 }],
  ])('with %s is refused', (_, changes) => {
    expect(() => parseEntry(JSON.stringify({ ...file, ...changes }))).toThrow('not a file entry');
  });

  it('that is not JSON is refused', () => expect(() => parseEntry('{')).toThrow('not JSON'));
});

describe('diffInventories', () => {
  it('tells what was added, removed and changed, in the order of the paths', () => {
    const from = [file, { ...file, path: 'b' }, { ...file, path: 'c' }, { ...file, path: 'd' }];
    const to = [
      file,
      { ...file, path: 'c', mode: 0o600, sha256: 'b'.repeat(64) },
      { ...file, path: 'd', modifiedNs: '1' },
      { ...file, path: 'e' },
    ];
    expect(diffInventories(from, to)).toEqual({
      changes: [
        { path: 'b', change: 'removed', parts: [] },
        { path: 'c', change: 'changed', parts: ['content', 'mode'] },
        { path: 'e', change: 'added', parts: [] },
      ],
      unchanged: 2,
    });
  });

  it('takes an owner of the same name for the same, whatever the number', () => {
    const other = { ...file, owner: { uid: 1, gid: 2, user: 'app', group: 'app' } };
    expect(diffInventories([file], [other]).changes).toEqual([]);
    const stranger = { ...file, owner: { ...owner, user: null, uid: 9 } };
    expect(diffInventories([file], [stranger]).changes[0]?.parts).toEqual(['owner']);
  });
});
