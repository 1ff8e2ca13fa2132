import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FileEntry } from '../../../domain/files/entry.ts';
import { ancestorsOf, linkFault, pathBytes, pathFault, requireSafeEntries } from '../../../domain/files/path-safety.ts';

const ROOT = '/etc/app';

function entry(path: string, changes: Partial<FileEntry> = {}): FileEntry {
  const owner = { uid: 0, gid: 0, user: null, group: null };
  const sha256 = '0'.repeat(64);
  const base = { path, kind: 'file', mode: 0o600, owner, bytes: 0, sha256, target: null, modifiedNs: '0' } as const;
  return { ...base, linkedTo: null, sparse: false, ...changes };
}

const link = (path: string, target: string) => entry(path, { kind: 'link', sha256: null, target });

describe('pathFault', () => {
  it.each([
    ['', 'is empty'],
    ['/etc/passwd', 'is absolute'],
    ['//etc/passwd', 'is absolute'],
    ['C:\\windows', 'is absolute'],
    ['\\\\host\\share', 'is absolute'],
    ['..', 'leads upwards'],
    ['../x', 'leads upwards'],
    ['a/../../x', 'leads upwards'],
    ['a/..', 'leads upwards'],
    ['..\\x', 'leads upwards'],
    ['a\\..\\..\\x', 'leads upwards'],
    ['a\0b', 'holds a NUL'],
    ['a//b', 'has an empty part'],
    ['a/', 'has an empty part'],
    ['./a', 'has an empty part'],
    ['.', 'has an empty part'],
    [`${'a'.repeat(256)}`, 'has a part over 255 bytes'],
    [`${'ä'.repeat(128)}`, 'has a part over 255 bytes'],
    [`${'a/'.repeat(2048)}a`, 'is longer than 4095 bytes'],
  ])('faults 63: refuses %j', (path, fault) => expect(pathFault(path)).toBe(fault));

  it.each([
    'a',
    '.env',
    '...',
    '..a',
    'a..',
    '-rf',
    'a\\b',
    'a\nb',
    'é',
    '\u202e',
    'a:b',
    '\udcff',
    'a/b/c',
    '~',
    '$(x)',
  ])('accepts %j', (path) => expect(pathFault(path)).toBeNull());

  it('accepts nothing that resolves to the root or outside of it', () => {
    const part = fc.oneof(
      fc.constantFrom('..', '.', '', '/', '\\', 'a', '..\\', '\0', '../..'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const path = parts.join('/');
        if (pathFault(path) !== null) return;
        expect(posix.join(ROOT, path).startsWith(`${ROOT}/`)).toBe(true);
        expect(path.replaceAll('\\', '/').split('/')).not.toContain('..');
      }),
      { numRuns: 2000 },
    );
  });
});

describe('pathBytes', () => {
  it('counts as the disk does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(pathBytes(text)).toBe(Buffer.byteLength(text));
      }),
    );
    expect(pathBytes('\udcff\udc80')).toBe(2);
  });
});

describe('linkFault', () => {
  it.each([
    ['a', '/etc/passwd'],
    ['a', '/etc/application'],
    ['a', '..'],
    ['a', '../x'],
    ['a/b', '../../x'],
    ['a', 'b/../../x'],
    ['a', `${ROOT}/../x`],
    ['a', `${'../'.repeat(30)}etc/passwd`],
  ])('faults 63: refuses a link at %j to %j', (path, target) => {
    expect(linkFault(path, target, ROOT)).toBe('points out of the root');
  });

  it.each([
    ['a', 'b'],
    ['a/b', '../c'],
    ['a', `${ROOT}/b`],
    ['a', ROOT],
    ['a', './b/../c'],
  ])('accepts a link at %j to %j', (path, target) => expect(linkFault(path, target, ROOT)).toBeNull());

  it.each(['', 'a\0b', 'a'.repeat(5000)])('refuses a target that is none: %j', (target) => {
    expect(linkFault('a', target, ROOT)).not.toBeNull();
  });
});

describe('requireSafeEntries', () => {
  const refusal =
    (...entries: FileEntry[]) =>
    () =>
      requireSafeEntries(entries, ROOT);

  it('accepts a tree with links', () => {
    expect(refusal(entry('a', { kind: 'directory', sha256: null }), entry('a/b'), link('c', 'a/b'))).not.toThrow();
  });

  it('faults 63: refuses the same name twice and names below a link or a file', () => {
    expect(refusal(entry('a'), entry('a'))).toThrow('the name "a" in the archive is there twice');
    expect(refusal(link('a', 'b'), entry('a/x'))).toThrow(
      `the name "a/x" in the archive lies below 'a', which is no folder`,
    );
    expect(refusal(entry('a/x/y'), entry('a'))).toThrow(`lies below 'a', which is no folder`);
  });
});

describe('ancestorsOf', () => {
  it('lists the folders from the top', () => expect(ancestorsOf('a/b/c')).toEqual(['a', 'a/b']));
});
